"""The WSGI application: machine endpoints first, then Django.

Token, introspection, revocation, userinfo, JWKS and discovery are answered before Django's
handler, so no session, CSRF or template middleware runs for them.
"""

import gc
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

from django.db.backends.signals import connection_created  # noqa: E402

from config.connections import set_up  # noqa: E402
from idp.machine import door  # noqa: E402 - needs the apps to be loaded

connection_created.connect(set_up, dispatch_uid="config.connections")

# What was loaded stays: the garbage collector need not look at it again for every request.
gc.collect()
gc.freeze()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer one request."""
    answer = door.answer(environ)
    if answer is None:
        return django_application(environ, start_response)
    start_response(answer.status_line, answer.headers)
    return [answer.body]
