"""Administration that stands above accounts: of devices and sign-ins, of access and of policy."""

from console.admin import (  # noqa: F401 - registers on import
    connectors,
    decisions,
    entitlements,
    grants,
    inventory,
    people,
    policies,
    proxied_hosts,
    reviews,
    rooms,
    sign_ins,
)
