from django.apps import AppConfig
from django.conf import settings


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "idp_sessions"  # django.contrib.sessions owns the other

    def ready(self) -> None:
        from policy import engine  # noqa: PLC0415 - after settings
        from sessions import receivers  # noqa: F401, PLC0415 - connects on import

        engine.configure(settings.POLICY_DIR)
