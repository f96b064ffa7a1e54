"""The statements of the machine endpoints, beside the models that own their tables.

They run on Django's own connection, prepared (`core.prepared`), since an ORM update and select
cost ten times the driver's time. tests/idp/test_storage.py checks the columns.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, cast

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.locks import LIVE, is_locked
from accounts.models import LockTarget
from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from core.prepared import Cursor, Row
from sessions.evaluation import FACT_COLUMNS, FACT_JOINS

# A client that is locked gets and asks nothing. Where a person stands behind the token, policy says
# so (`sessions.evaluation`); these are for the client itself, by its alias.
_CLIENT_LOCKED = is_locked(LockTarget.CLIENT, "c.client_id", organisation="c.organisation_id")
_STANDS = f"c.is_active AND o.is_active AND NOT {_CLIENT_LOCKED}"
_CALLER = f"""(SELECT c.changed_at FROM idp_client c
    WHERE c.id = %(caller)s AND NOT {_CLIENT_LOCKED}) AS caller_changed_at"""

_AUTHORIZED = f"""
  a.user_id, a.session_id, a.organisation_id, a.scope, a.terms, a.family_id, a.family_expires_at,
  u.email, u.name, o.slug AS organisation,
  c.is_active AS client_is_active, c.changed_at AS client_changed_at, c.required_acr,
  c.required_tier, c.scope_tiers,
  {FACT_COLUMNS}
"""

_AUTHORIZED_JOINS = f"""
  JOIN idp_sessions_loginsession s ON s.id = a.session_id
  JOIN idp_client c ON c.id = a.client_id
  {FACT_JOINS}
"""

# Using an application is using the session: its idle time begins anew, at most once a minute.
TOUCH_INTERVAL = timedelta(minutes=1)
_TOUCH = f"""
touched AS (
  UPDATE idp_sessions_loginsession t SET last_used_at = {NOW}
    FROM a
   WHERE t.id = a.session_id AND t.ended_at IS NULL
     AND t.last_used_at < {NOW} - interval '{TOUCH_INTERVAL.seconds} seconds')
"""

_BY_CLIENT = {
    "source": "a",
    "actor": "'accounts.User:' || a.user_id",
    "subject": "'idp.Client:' || a.client_id",
    "now": NOW,
}
_REDEEMED = recorder.branch(
    Event.CODE_REDEEMED,
    facts="jsonb_build_object('family', a.family_id, 'scope', a.scope)",
    **_BY_CLIENT,
)
_ROTATED = recorder.branch(
    Event.REFRESH_TOKEN_ROTATED,
    facts="jsonb_build_object("
    "'family', a.family_id, 'generation', a.generation, 'is_retry', false)",
    **_BY_CLIENT,
)
_USED = recorder.branch(
    Event.REFRESH_TOKEN_USED,
    facts="jsonb_build_object('family', a.family_id, 'generation', a.generation)",
    **_BY_CLIENT,
)
_DEVICE_STARTED = recorder.branch(
    Event.DEVICE_AUTHORIZATION_STARTED,
    source="new",
    actor="'idp.Client:' || new.client_id",
    subject="'idp.Client:' || new.client_id",
    facts="jsonb_build_object('scope', new.scope, 'user_agent', new.user_agent)",
    now=NOW,
)
_ISSUED = recorder.branch(
    Event.TOKEN_ISSUED,
    source="c",
    actor="'idp.Client:' || c.id",
    subject="'idp.Client:' || c.id",
    facts="jsonb_build_object("
    "'grant_type', 'client_credentials', 'scope', CAST(%(scope)s AS text))",
    now=NOW,
)

# RFC 6749 §4.1.2, RFC 7636 §4.6: single use, client, redirect_uri and verifier in one statement,
# which counts a wrong verifier as well: under the row's lock nobody gets one guess more.
MAX_WRONG_VERIFIERS = 3
REDEEM_CODE = f"""
WITH tried AS (
  UPDATE idp_authorizationcode
     SET used_at = CASE WHEN challenge = %(challenge)s THEN {NOW} END,
         family_id = CASE WHEN challenge = %(challenge)s THEN CAST(%(family)s AS uuid) END,
         wrong_verifiers = wrong_verifiers + CASE WHEN challenge = %(challenge)s THEN 0 ELSE 1 END
   WHERE digest = %(digest)s AND client_id = %(client)s AND redirect_uri = %(redirect_uri)s
     AND used_at IS NULL AND expires_at > {NOW}
     AND wrong_verifiers < {MAX_WRONG_VERIFIERS}
  RETURNING organisation_id, client_id, user_id, session_id, scope, terms, nonce, used_at),
used AS (
  SELECT organisation_id, client_id, user_id, session_id, scope, terms, nonce
    FROM tried WHERE used_at IS NOT NULL),
born AS (
  INSERT INTO idp_refreshfamily
    (id, organisation_id, client_id, user_id, session_id, scope, terms, issues_refresh, current,
     generation, created_at, expires_at, revoke_reason)
  SELECT %(family)s, organisation_id, client_id, user_id, session_id, scope,
         (terms - 'dpop_jkt') || CAST(%(bound_to)s AS jsonb), %(issues_refresh)s,
         %(current)s, 0, {NOW}, {NOW} + %(lifetime)s, ''
    FROM used),
a AS (
  SELECT used.*, CAST(%(family)s AS uuid) AS family_id,
         {NOW} + %(lifetime)s AS family_expires_at
    FROM used),
written AS ({_REDEEMED}),
{_TOUCH}
SELECT {_AUTHORIZED}, a.nonce FROM a {_AUTHORIZED_JOINS}
"""

FIND_CODE = """
SELECT client_id, organisation_id, user_id, session_id, used_at, family_id, wrong_verifiers
  FROM idp_authorizationcode WHERE digest = %(digest)s
"""

# RFC 8628 §3.2: what a device asks for, if its client is still the one that was authenticated and
# no other device has this user code.
START_DEVICE = f"""
WITH c AS (
  SELECT c.id, c.organisation_id
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {_STANDS}),
new AS (
  INSERT INTO idp_deviceauthorization
    (digest, user_code_digest, user_code_head, organisation_id, client_id, scope, address,
     user_agent, interval_seconds, wrong_tries, created_at, expires_at)
  SELECT %(digest)s, %(user_code_digest)s, %(user_code_head)s, organisation_id, id, %(scope)s,
         CAST(%(address)s AS inet), %(user_agent)s, %(interval)s, 0, {NOW}, {NOW} + %(lifetime)s
    FROM c
  ON CONFLICT (user_code_digest) DO NOTHING
  RETURNING organisation_id, client_id, session_id, scope, user_agent),
written AS ({_DEVICE_STARTED})
SELECT EXISTS (SELECT 1 FROM new) AS is_new FROM c
"""


def _poll(table: str) -> str:
    """One poll. Whoever asks too soon while nobody has answered has to wait longer."""
    return f"""
UPDATE {table} d
   SET last_polled_at = {NOW},
       interval_seconds = CASE
         WHEN d.approved_at IS NULL
              AND o.last_polled_at > {NOW} - o.interval_seconds * interval '1 second'
         THEN LEAST(o.interval_seconds + %(slow_down)s, 600)
         ELSE o.interval_seconds END
  FROM (SELECT digest, last_polled_at, interval_seconds FROM {table}
         WHERE digest = %(digest)s AND client_id = %(client)s FOR UPDATE) o
 WHERE d.digest = o.digest
RETURNING d.approved_at, d.denied_at, d.used_at, d.expires_at, {NOW} AS now,
          o.last_polled_at AS polled_before, o.interval_seconds AS asked_interval
"""


def _redeem_approved(table: str, event: Event, *, terms: str) -> str:
    """Single use, client, approval and expiry in one statement. terms: jsonb over the row."""
    redeemed = recorder.branch(
        event, facts="jsonb_build_object('family', a.family_id, 'scope', a.scope)", **_BY_CLIENT
    )
    return f"""
WITH used AS (
  UPDATE {table}
     SET used_at = {NOW}, family_id = %(family)s
   WHERE digest = %(digest)s AND client_id = %(client)s AND approved_at IS NOT NULL
     AND denied_at IS NULL AND used_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, user_id, session_id, scope, {terms} AS terms),
born AS (
  INSERT INTO idp_refreshfamily
    (id, organisation_id, client_id, user_id, session_id, scope, terms, issues_refresh, current,
     generation, created_at, expires_at, revoke_reason)
  SELECT %(family)s, organisation_id, client_id, user_id, session_id, scope,
         terms || CAST(%(bound_to)s AS jsonb), %(issues_refresh)s,
         %(current)s, 0, {NOW}, {NOW} + %(lifetime)s, ''
    FROM used),
a AS (
  SELECT used.*, CAST(%(family)s AS uuid) AS family_id,
         {NOW} + %(lifetime)s AS family_expires_at
    FROM used),
written AS ({redeemed}),
{_TOUCH}
SELECT {_AUTHORIZED} FROM a {_AUTHORIZED_JOINS}
"""


def _find_polled(table: str) -> str:
    return f"""
SELECT client_id, organisation_id, user_id, session_id, used_at, family_id
  FROM {table} WHERE digest = %(digest)s
"""


# RFC 8628 §3.4, §3.5.
POLL_DEVICE = _poll("idp_deviceauthorization")
REDEEM_DEVICE = _redeem_approved(
    "idp_deviceauthorization", Event.DEVICE_AUTHORIZATION_REDEEMED, terms="CAST('{}' AS jsonb)"
)
FIND_DEVICE = _find_polled("idp_deviceauthorization")

# CIBA Core 1.0 §10.1, §11.
POLL_BACKCHANNEL = _poll("idp_backchannelauthentication")
REDEEM_BACKCHANNEL = _redeem_approved(
    "idp_backchannelauthentication", Event.BACKCHANNEL_AUTHENTICATION_REDEEMED, terms="terms"
)
FIND_BACKCHANNEL = _find_polled("idp_backchannelauthentication")

# RFC 9449 §11.1: whoever writes the row may use the proof.
SPEND_PROOF = f"""
INSERT INTO idp_spentproof (digest, expires_at)
VALUES (%(proof)s, {NOW} + interval '2 minutes')
ON CONFLICT (digest) DO NOTHING RETURNING digest
"""

# RFC 6749 §6, RFC 9700 §4.14.2: rotation, expiry, client binding and revocation in one statement,
# which is a transaction by itself. What policy judged was read a moment before (FIND_FAMILY): a
# session that ends in between is found at the next use, as if it had ended a moment later.
_ROTATE = f"""
WITH a AS (
  UPDATE idp_refreshfamily
     SET previous = current, current = %(new)s, successor_sealed = %(sealed)s,
         generation = generation + 1, rotated_at = {NOW}
   WHERE id = %(family)s AND current = %(presented)s AND client_id = %(client)s
     AND issues_refresh AND revoked_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, user_id, session_id, scope, id AS family_id,
            expires_at AS family_expires_at, generation),
written AS ({_ROTATED})"""
ROTATE = f"{_ROTATE} SELECT generation FROM a"
ROTATE_AND_TOUCH = f"{_ROTATE}, {_TOUCH} SELECT generation FROM a"

# FAPI 2.0 Security Profile §5.3.2.1: no rotation. The same conditions and audit row, and the token
# stays.
_KEEP = f"""
WITH a AS (
  UPDATE idp_refreshfamily
     SET rotated_at = {NOW}
   WHERE id = %(family)s AND current = %(presented)s AND client_id = %(client)s
     AND issues_refresh AND revoked_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, user_id, session_id, scope, id AS family_id,
            expires_at AS family_expires_at, generation),
written AS ({_USED})"""
KEEP = f"{_KEEP} SELECT generation FROM a"
KEEP_AND_TOUCH = f"{_KEEP}, {_TOUCH} SELECT generation FROM a"

_FAMILY = """
WITH a AS (
  SELECT f.organisation_id, f.client_id, f.user_id, f.session_id, f.scope, f.terms,
         f.id AS family_id,
         f.expires_at AS family_expires_at, f.current, f.previous, f.successor_sealed,
         f.generation, f.rotated_at, f.revoked_at, f.created_at AS family_created_at
    FROM idp_refreshfamily f WHERE f.id = %(family)s)
SELECT {columns}, a.client_id, c.client_id AS client_name, a.current, a.previous,
       a.successor_sealed, a.generation, a.rotated_at, a.revoked_at, a.family_created_at
       {more}
  FROM a {joins}
"""
# The family of a refresh token and all that it stands on. It locks nothing: what is done about it
# is a conditional update of its own, and many may ask at once for a lost answer.
FIND_FAMILY = _FAMILY.format(columns=_AUTHORIZED, joins=_AUTHORIZED_JOINS, more="")

# What people say of themselves, as JSON by the names of Core §5.1; NULL where nothing was said yet.
PROFILE_COLUMNS = """
  to_jsonb(p) AS profile, COALESCE(p.changed_at, u.created_at) AS profile_changed_at
"""
PROFILE_JOIN = "LEFT JOIN accounts_profile p ON p.user_id = u.id"

FIND_PROFILE = f"""
SELECT {PROFILE_COLUMNS} FROM accounts_user u {PROFILE_JOIN} WHERE u.id = %(user)s
"""

# What the authorization endpoint's own tokens stand on: as if a family of this id were there.
FIND_SESSION = f"""
WITH a AS (
  SELECT s.organisation_id, CAST(%(client)s AS uuid) AS client_id, s.user_id, s.id AS session_id,
         CAST(%(scope)s AS text) AS scope, CAST(%(terms)s AS jsonb) AS terms,
         CAST(%(family)s AS uuid) AS family_id, {NOW} + %(lifetime)s AS family_expires_at
    FROM idp_sessions_loginsession s WHERE s.id = %(session)s)
SELECT {_AUTHORIZED}, {PROFILE_COLUMNS} FROM a {_AUTHORIZED_JOINS} {PROFILE_JOIN}
"""

# RFC 7662, and userinfo: all that an access token of a user stands on, in one statement.
FIND_TOKEN = _FAMILY.format(
    columns=_AUTHORIZED,
    joins=f"{_AUTHORIZED_JOINS} {PROFILE_JOIN}",
    more=f""",
  {PROFILE_COLUMNS}, c.metadata ->> 'security_profile' AS security_profile,
  c.metadata ?| ARRAY['userinfo_signed_response_alg', 'userinfo_encrypted_response_alg']
    AS userinfo_is_jwt,
  EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
  {_CALLER}""",
)

FIND_MACHINE_TOKEN = f"""
SELECT c.client_id AS client_name, {_STANDS} AS client_is_active,
       c.organisation_id,
       EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
       {_CALLER}
  FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
 WHERE c.id = %(client)s
"""

REVOKE_FAMILY = f"""
UPDATE idp_refreshfamily SET revoked_at = {NOW}, revoke_reason = %(reason)s
 WHERE id = %(family)s AND revoked_at IS NULL
RETURNING organisation_id, user_id, session_id, client_id
"""

REVOKE_TOKEN = """
INSERT INTO idp_revokedtoken (jti, expires_at) VALUES (%(jti)s, %(expires_at)s)
ON CONFLICT (jti) DO NOTHING RETURNING jti
"""

FIND_CLIENT = f"""
SELECT c.id, c.client_id, c.organisation_id, c.kind, c.secret_digest, c.grant_types, c.scopes,
       c.token_endpoint_auth_method, c.signing_alg, c.audience, c.changed_at, c.metadata,
       c.redirect_uris,
       c.previous_secret_digest, c.previous_secret_expires_at, c.secret_sealed,
       c.required_acr, c.required_tier, c.scope_tiers, c.is_first_party,
       {_STANDS} AS is_active
  FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
 WHERE c.client_id = %(client_id)s
"""

# client_credentials: one statement, which writes only if the client is still the one that was
# authenticated: switched off, or with another secret, it gets nothing.
ISSUE_TO_CLIENT = f"""
WITH c AS (
  SELECT c.id, c.organisation_id, CAST(NULL AS uuid) AS session_id
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {_STANDS}),
written AS ({_ISSUED})
SELECT {NOW} AS now FROM c
"""

# RFC 9126: kept if the client is still the one that was authenticated.
_PUSH = f"""
WITH c AS (
  SELECT c.id, c.organisation_id, c.changed_at
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {_STANDS}),
{{used}}
kept AS (
  INSERT INTO idp_pushedrequest
    (digest, organisation_id, client_id, parameters, created_at, expires_at)
  SELECT %(digest)s, organisation_id, id, CAST(%(parameters)s AS jsonb), {{now}},
         {{now}} + %(lifetime)s
    FROM {{source}}
  RETURNING 1)
SELECT changed_at, EXISTS (SELECT 1 FROM kept) AS is_kept FROM c
"""
PUSH_REQUEST = _PUSH.format(now=NOW, used="", source="c")
# It came in a request object that is good once: used up by the same statement, or not kept either.
PUSH_REQUEST_ONCE = _PUSH.format(
    now=NOW,
    used="""used AS (
  INSERT INTO idp_usedassertion (digest, expires_at)
  SELECT %(used)s, %(used_until)s FROM c
  ON CONFLICT (digest) DO NOTHING RETURNING 1),""",
    source="c CROSS JOIN used",
)

# draft-ietf-oauth-status-list: the first free of the places that were drawn, in the open list.
ENLIST_TOKEN = f"""
INSERT INTO idp_listedtoken (list_id, idx, jti, stem, client_id, expires_at)
SELECT l.id, drawn.idx, %(jti)s, %(stem)s, c.id, to_timestamp(%(expires)s)
  FROM idp_statuslist l
  JOIN idp_client c ON c.client_id = %(client_id)s
 CROSS JOIN unnest(CAST(%(candidates)s AS int[])) AS drawn (idx)
 WHERE l.alg = %(alg)s AND l.closed_at IS NULL AND l.created_at > {NOW} - %(open_for)s
   AND NOT EXISTS (
     SELECT 1 FROM idp_listedtoken t WHERE t.list_id = l.id AND t.idx = drawn.idx)
 LIMIT 1
ON CONFLICT (list_id, idx) DO NOTHING
RETURNING list_id, idx
"""

# One that is too old, or has none of these places left.
CLOSE_STATUS_LIST = f"""
UPDATE idp_statuslist l SET closed_at = {NOW}
 WHERE l.alg = %(alg)s AND l.closed_at IS NULL
   AND (l.created_at <= {NOW} - %(open_for)s
        OR (SELECT count(*) FROM idp_listedtoken t
             WHERE t.list_id = l.id AND t.idx = ANY(CAST(%(candidates)s AS int[])))
           = cardinality(CAST(%(candidates)s AS int[])))
RETURNING l.id
"""

# The constraint lets one list of an algorithm be open: whoever comes second waits for the first.
OPEN_STATUS_LIST = f"""
INSERT INTO idp_statuslist (id, alg, created_at) VALUES (%(list)s, %(alg)s, {NOW})
ON CONFLICT (alg) WHERE closed_at IS NULL DO NOTHING RETURNING id
"""

_NOTHING_LOCKED = f"""NOT EXISTS (
       SELECT 1 FROM accounts_lock l
        WHERE l.organisation_id = c.organisation_id AND {LIVE}
          AND l.target_type NOT IN ('address', 'role')
          AND l.target = ANY (
            ARRAY[c.client_id, fc.client_id, CAST(f.user_id AS text), CAST(s.id AS text),
                  CAST(d.id AS text)] || CAST(s.credentials AS text[])))"""
# Every place whose token is revoked, by whatever it stands on. An expired one says nothing.
FIND_STATUS_LIST = f"""
SELECT l.alg, {NOW} AS now, ARRAY(
  SELECT t.idx
    FROM idp_listedtoken t
    LEFT JOIN idp_client c ON c.id = t.client_id
    LEFT JOIN accounts_organisation o ON o.id = c.organisation_id
    LEFT JOIN idp_refreshfamily f ON f.id = t.stem
    LEFT JOIN idp_client fc ON fc.id = f.client_id
    LEFT JOIN idp_sessions_loginsession s ON s.id = f.session_id
    LEFT JOIN accounts_user u ON u.id = f.user_id
    LEFT JOIN devices_browser b ON b.id = s.browser_id
    LEFT JOIN devices_device d ON d.id = b.device_id
   WHERE t.list_id = l.id AND t.expires_at > {NOW}
     AND (c.is_active AND o.is_active AND {_NOTHING_LOCKED} AND (t.stem = t.client_id OR (
            f.revoked_at IS NULL AND f.expires_at > {NOW} AND fc.is_active
            AND s.ended_at IS NULL AND s.expires_at > {NOW}
            AND (d.state IN ('lost', 'revoked')) IS NOT TRUE
            AND u.is_active AND u.security_stamp = s.security_stamp))) IS NOT TRUE
   UNION ALL
  SELECT t.idx FROM idp_listedtoken t JOIN idp_revokedtoken r ON r.jti = t.jti
   WHERE t.list_id = l.id AND t.expires_at > {NOW}) AS revoked
  FROM idp_statuslist l WHERE l.id = %(list)s
"""

FIND_STATUS_LISTS = f"""
SELECT ARRAY(
  SELECT id FROM idp_statuslist
   WHERE created_at > {NOW} - %(open_for)s - %(kept_for)s
     AND (closed_at IS NULL OR closed_at > {NOW} - %(kept_for)s)
   ORDER BY created_at) AS ids
"""


def is_touch_due(row: Row) -> bool:
    """Whether the session that was read has not been touched for a while."""
    since: timedelta = row["now"] - row["last_used_at"]
    return since > TOUCH_INTERVAL


class Unit:
    """One transaction, begun by its first statement. `refused` undoes it when it ends.

    It is psycopg's own transaction, a tenth of a millisecond cheaper than Django's; inside one of
    Django's it becomes a savepoint. Whatever needs a transaction of Django's own (making a key)
    has to happen before the first statement.
    """

    def __init__(self) -> None:
        self.refused = False
        self._stack = ExitStack()
        self._cursor: Cursor | None = None

    @property
    def cursor(self) -> Cursor:
        if self._cursor is None:
            raw = raw_connection()
            self._stack.enter_context(raw.transaction())
            self._cursor = cursor_of(raw)
        return self._cursor


class _Thread(threading.local):
    """Django's connection of this thread: asking its proxy each time is a quarter of a query."""

    wrapper: BaseDatabaseWrapper | None = None
    cursor: Cursor | None = None


_thread = _Thread()


def raw_connection() -> "psycopg.Connection[Any]":
    """The psycopg connection of this thread, opened when it has to be."""
    wrapper = _thread.wrapper
    if wrapper is None:
        wrapper = _thread.wrapper = connections["default"]
    raw = wrapper.connection
    if raw is None or raw.closed or raw.broken:
        wrapper.close()
        wrapper.ensure_connection()
        raw = wrapper.connection
    return cast("psycopg.Connection[Any]", raw)


@contextmanager
def unit() -> Iterator[Unit]:
    """A transaction on this thread's connection."""
    work = Unit()
    with work._stack:  # noqa: SLF001 - the other half of Unit
        yield work
        if work.refused and work._cursor is not None:  # noqa: SLF001
            raise psycopg.Rollback


def cursor_of(raw: "psycopg.Connection[Any]") -> Cursor:
    """The cursor of this thread's connection, which keeps what is prepared there."""
    cursor = _thread.cursor
    if cursor is None or cursor.connection is not raw:
        cursor = _thread.cursor = Cursor(raw)
    return cursor


def one(query: str, params: Mapping[str, Any]) -> Row | None:
    """One statement, which is a transaction by itself, and its first row."""
    return cursor_of(raw_connection()).one(query, params)


def forget() -> None:
    """Drop what this thread keeps of its connection, for tests."""
    _thread.wrapper = _thread.cursor = None


Trace = Callable[[Cursor], None]
