from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id


class StatusList(models.Model):
    """A list of the status of access tokens (draft-ietf-oauth-status-list): 2^16 places.

    It belongs to the installation, so that tokens of all its clients stand in one crowd. alg: by
    which it is signed, and the tokens in it. closed_at: no token gets a place in it any more; an
    hour later, which is how long tokens live at most, nobody asks for it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    alg = models.CharField(max_length=8)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alg"], condition=Q(closed_at=None), name="idp_one_open_status_list"
            )
        ]


class ListedToken(models.Model):
    """That an access token has a place in a list. Written once, and deleted with its list.

    stem: its refresh family, or its client if it acts for itself; grants: those that elevated what
    it carries, NULL for none. Whether it is revoked is asked of all these. client_id: whom it was
    issued to.
    """

    pk = models.CompositePrimaryKey("list_id", "idx")
    list = models.ForeignKey(StatusList, models.CASCADE, db_index=False, related_name="+")
    idx = models.IntegerField()
    jti = models.CharField(max_length=64)
    stem = models.UUIDField()
    grants = ArrayField(models.UUIDField(), null=True)
    client_id = models.UUIDField()
    expires_at = models.DateTimeField()
