from django.conf import settings
from django.db import models

from core.scope import ScopedModel


class Granted(ScopedModel):
    """What a user has granted a client in a session: a code, and the family that it leads to.

    terms: what was granted beyond scope, each member absent unless used: `resource`, a list
    (RFC 8707); `authorization_details` (RFC 9396); `claims` (OpenID Connect Core 1.0 §5.5);
    `acr`, the class asked for and met; `dpop_jkt` and `x5t#S256`, the key and the certificate that
    the code or the refresh tokens are bound to (RFC 9449 §5, §10; RFC 8705 §4).

    The database's keys are composite (`core.migrations_sql.same_organisation`): client, user and
    session are there, and of the organisation, which is there so, too.
    """

    organisation = models.ForeignKey(
        "accounts.Organisation", models.PROTECT, related_name="+", db_constraint=False
    )
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+", db_constraint=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_constraint=False
    )
    session = models.ForeignKey(
        "idp_sessions.LoginSession", models.CASCADE, related_name="+", db_constraint=False
    )
    scope = models.CharField(max_length=500)
    terms = models.JSONField(default=dict)

    class Meta(ScopedModel.Meta):
        abstract = True
