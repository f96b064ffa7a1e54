from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        # After the models are there.
        from access import receivers  # noqa: F401, PLC0415 - connects on import
        from access.flows.publications import Approvals  # noqa: PLC0415
        from policy import approval  # noqa: PLC0415

        approval.hand_in(Approvals())
