from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console import receivers  # noqa: F401, PLC0415 - connects on import
