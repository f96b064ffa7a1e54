"""Every path of the product."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import (
    celery,  # noqa: F401 - so that this process knows the broker
    health,
)

handler500 = "config.faults.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("console.urls")),
    path("", include("accounts.urls")),
    path("", include("mfa.urls")),
    path("", include("sessions.urls")),
    path("", include("devices.urls")),
    path("", include("risk.urls")),
    path("", include("access.urls")),
    path("", include("idp.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/v1/", include("console.api.urls")),
    path("admin/", admin.site.urls),
]
