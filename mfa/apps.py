from django.apps import AppConfig


class MfaConfig(AppConfig):
    name = "mfa"

    def ready(self) -> None:
        from mfa import receivers  # noqa: F401, PLC0415 - connects on import
