"""Versions of policy, and which of them counted when.

They belong to the installation: policy is one for all organisations.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.ids import new_id
from protection.fields import SealedField


class PolicyKey(models.Model):
    """The key pair by which this installation signs what it publishes. private: PKCS#8 DER."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kid = models.CharField(max_length=64, unique=True)
    private = SealedField(organisation=None)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="policy_one_active_key"
            )
        ]


class PolicyVersion(models.Model):
    """A set of Rego files that somebody wrote, with their tests. Never changed (a trigger).

    modules: text by name of the file. revision: names the content of those that decide; each
    content is there once. check_result: what compiling and the tests said when it was written.
    signature: of the bundle, made when it is first published; "" before.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    revision = models.CharField(max_length=12, unique=True)
    modules = models.JSONField()
    note = models.CharField(max_length=500)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    check_result = models.JSONField()
    signature = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["id", "author"], name="policy_version_author"),
            models.UniqueConstraint(fields=["id", "revision"], name="policy_version_revision"),
        ]

    def __str__(self) -> str:
        return self.revision


class DecisionBatch(models.Model):
    """Answers of policy that one process gave within about a second, compressed.

    body: a JSON object a line (`policy/decision_log.py`), by zlib. users, clients: on whose behalf,
    to look for them. dropped: answers before these that no room was left for. source: the process.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField()
    dropped = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=100)
    users = ArrayField(models.UUIDField())
    clients = ArrayField(models.TextField())
    body = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["last_at"], name="policy_decision_batch_at")]
        verbose_name_plural = "decisions"


class Publication(models.Model):
    """That a version counted, from when until when. One counts now; without any, the shipped one.

    version: NULL for the shipped one, to which somebody went back. follows: the publication that
    one comes back to from here, NULL for the shipped one. is_rollback: it counted before, and
    restores says which publication that was; reason: why. approval_id: the grant of `access` by
    which others have agreed, each used once; a trigger of that app holds that there is one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT)
    revision = models.CharField(max_length=12, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    publisher = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    approval_id = models.UUIDField(null=True)
    is_rollback = models.BooleanField(default=False)
    reason = models.CharField(max_length=500, blank=True)
    restores = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    follows = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(ended_at=None), name="policy_one_publication"
            ),
            models.UniqueConstraint(fields=["approval_id"], name="policy_approval_once"),
            models.CheckConstraint(
                condition=Q(version=None, author=None, revision="", is_rollback=True, restores=None)
                | Q(version__isnull=False, author__isnull=False)
                & ~Q(revision="")
                & (
                    Q(is_rollback=False, restores=None)
                    | Q(is_rollback=True, restores__isnull=False)
                ),
                name="policy_publication_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("published_at")),
                name="policy_publication_ends_later",
            ),
        ]
