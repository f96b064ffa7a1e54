from django.db import models
from django.db.models import Q

from protection.fields import SealedField

ONLY = 1


class PairwiseSalt(models.Model):
    """The secret behind pairwise subjects, 32 bytes, one for the installation.

    It is made once and never changes: with another one, everybody would be a stranger to every
    application that knows people by pairwise subjects.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    salt = SealedField(organisation=None)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=ONLY), name="idp_one_pairwise_salt")]
