"""Clients: as they authenticate, and as they get tokens of their own."""

from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from idp.storage.parts import HELD_COLUMNS, STANDS, held

_ISSUED = recorder.branch(
    Event.TOKEN_ISSUED,
    source="c",
    actor="'idp.Client:' || c.id",
    subject="'idp.Client:' || c.id",
    facts="jsonb_build_object("
    "'grant_type', 'client_credentials', 'scope', CAST(%(scope)s AS text))",
    now=NOW,
)

FIND_CLIENT = f"""
SELECT c.id, c.client_id, c.organisation_id, c.kind, c.secret_digest, c.grant_types, c.scopes,
       c.token_endpoint_auth_method, c.signing_alg, c.audience, c.changed_at, c.metadata,
       c.redirect_uris,
       c.previous_secret_digest, c.previous_secret_expires_at, c.secret_sealed,
       c.required_acr, c.required_tier, c.scope_tiers, c.is_first_party,
       {STANDS} AS is_active
  FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
 WHERE c.client_id = %(client_id)s
"""

_HELD = held(address="wr.address = CAST(%(address)s AS inet)")

# client_credentials: one statement, which writes only if the client is still the one that was
# authenticated: switched off, or with another secret, it gets nothing.
ISSUE_TO_CLIENT = f"""
WITH c AS (
  SELECT c.id, c.organisation_id, CAST(NULL AS uuid) AS session_id
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {STANDS}),
written AS ({_ISSUED})
SELECT {NOW} AS now, {HELD_COLUMNS}
  FROM c {_HELD}
"""
