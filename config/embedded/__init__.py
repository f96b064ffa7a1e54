"""PostgreSQL and Valkey out of wheels, for a machine that has neither.

`ensure_services` starts what no URL is configured for, or adopts what already runs, under the data
folder (`SALLYPORT_VAR_DIR`). It speaks through unix sockets only, never over TCP. Its answer knows
the environment variables that children need, and stops the servers again when nobody else uses
them. It serves development, tests and benchmarks; production wants configured services.

Life of the data folder:

    embedded.lock     held while anything is started, judged or stopped: one launcher at a time
    embedded.users    held (shared) by every process that uses the services; the last one stops them
    embedded.json     where the data, the sockets and the binaries are
    secrets/          passwords, keys and URLs, 0600, read through SALLYPORT_*_FILE
    log/              what the servers said
    postgres/ valkey/ run/    data and sockets, unless the account cannot reach the folder:
                      then /var/lib/sallyport/<digest>, and a temporary folder for long socket paths

It must not know Django, settings or any app: they see URLs.
"""

from config.embedded.errors import Unusable
from config.embedded.services import Services, attach_services, ensure_services

__all__ = ["Services", "Unusable", "attach_services", "ensure_services"]
