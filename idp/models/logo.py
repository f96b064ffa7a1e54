from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from core.scope import ScopedModel

if TYPE_CHECKING:
    from django.db.models import QuerySet

PATH = "/client-logos/"


class WithoutContentManager(models.Manager["ClientLogo"]):
    """Rows without their bytes, which one place alone needs."""

    def get_queryset(self) -> "QuerySet[ClientLogo]":
        return super().get_queryset().defer("content")


class ClientLogo(ScopedModel):
    """Our copy of the picture at a client's `logo_uri`, and when it is asked for next.

    uri: where it comes from; "" while the client registers none. content, media_type: the picture,
    as `pictures.py` recognised it. digest: SHA-256 of the client's id and the picture, its name in
    our URL, so that nobody can ask whether somebody here has a certain picture.
    attempts: tries in a row that brought none. asked_at: the last one. next_attempt_at: None when
    nothing is asked any more until the client registers something else.
    fetched_at: when the picture was last seen as it is. last_error: why the last try brought none.
    """

    client = models.OneToOneField(
        "idp.Client", models.CASCADE, primary_key=True, related_name="logo"
    )
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    uri = models.CharField(max_length=1_000, blank=True)
    content = models.BinaryField(null=True)
    media_type = models.CharField(max_length=16, blank=True)
    digest = models.BinaryField(max_length=32, null=True, unique=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    unscoped: ClassVar[models.Manager["ClientLogo"]] = WithoutContentManager()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(content=None, digest=None, fetched_at=None, media_type="")
                | Q(
                    content__isnull=False,
                    digest__isnull=False,
                    fetched_at__isnull=False,
                    media_type__in=["image/png", "image/jpeg", "image/gif", "image/webp"],
                ),
                name="idp_logo_is_whole",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="idp_logo_due",
            ),
        ]

    @property
    def path(self) -> str:
        """Where we show it; "" while there is none."""
        return f"{PATH}{bytes(self.digest).hex()}" if self.digest else ""
