from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        from access import receivers  # noqa: F401, PLC0415 - connects on import
