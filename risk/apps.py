from django.apps import AppConfig


class RiskConfig(AppConfig):
    name = "risk"

    def ready(self) -> None:
        from risk import receivers  # noqa: F401, PLC0415 - connects on import
