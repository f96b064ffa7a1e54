from django.apps import AppConfig
from django.conf import settings


class PolicyConfig(AppConfig):
    name = "policy"

    def ready(self) -> None:
        # After the settings and the models are there.
        from policy import engine  # noqa: PLC0415
        from policy.decision_log import DecisionLog  # noqa: PLC0415
        from policy.opa import OpaSettings  # noqa: PLC0415
        from policy.versions import Published  # noqa: PLC0415

        engine.configure(
            settings.POLICY_DIR,
            opa=OpaSettings(**settings.POLICY_OPA) if settings.POLICY_OPA else None,
            versions=Published(),
            journal=DecisionLog() if settings.DECISION_LOG_LIFETIME else None,
        )
