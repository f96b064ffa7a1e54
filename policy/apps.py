from django.apps import AppConfig
from django.conf import settings


class PolicyConfig(AppConfig):
    name = "policy"

    def ready(self) -> None:
        from policy import engine  # noqa: PLC0415 - after settings
        from policy.versions import Published  # noqa: PLC0415 - after the models are there

        engine.configure(settings.POLICY_DIR, opa=settings.POLICY_OPA, versions=Published())
