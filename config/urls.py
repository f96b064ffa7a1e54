"""Every path of the product."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import (
    celery,  # noqa: F401 - so that this process knows the broker
    health,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("console.urls")),
    path("", include("accounts.urls")),
    *[
        path("", include(f"{app}.urls"))
        for app in ("mfa", "sessions", "idp")
        if find_spec(f"{app}.urls")
    ],
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
]
