from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "idp_sessions"  # django.contrib.sessions owns the other
    verbose_name = "Sessions"

    def ready(self) -> None:
        from sessions import receivers  # noqa: F401, PLC0415 - connects on import
