from django.apps import AppConfig


class IdpConfig(AppConfig):
    name = "idp"
    verbose_name = "Applications"

    def ready(self) -> None:
        from idp import receivers  # noqa: F401, PLC0415 - connects on import
