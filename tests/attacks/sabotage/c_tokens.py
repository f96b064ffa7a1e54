"""Access, refresh and ID tokens (A030 to A046)."""

import dataclasses
import string
from collections.abc import Callable
from typing import Any

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    edit,
    in_the_highest_tier,
    replace,
    waved_through,
    whatever_it_is,
    wrap,
)

LOOKED_AT, SEEN = ("ROTATE", "ROTATE_AND_TOUCH"), ("ROTATE_AS_SEEN", "ROTATE_AS_SEEN_AND_TOUCH")


def rotate_without(condition: str) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for name in (*LOOKED_AT, *SEEN):
            edit(patch, name, condition, "idp.storage.families", "idp.grants.refresh_token")

    return remove


def as_it_was_seen(patch: Patch) -> None:
    """As if what has been judged could not have changed since."""
    from idp.storage.families import _IS_AS_SEEN

    for name in SEEN:
        edit(patch, name, _IS_AS_SEEN, "idp.storage.families", "idp.grants.refresh_token")


def subject_by_address(original: Any, client: Any, user_id: Any) -> str:
    from accounts.models import User

    return str(User.unscoped.get(pk=user_id).email)


def spent_tokens_in_the_cache(patch: Patch) -> None:
    """Reuse is remembered by the cache, not by the row."""
    from django.core.cache import cache

    from core.errors import Refusal
    from idp.grants.refresh_token import RefreshTokenGrant
    from idp.machine.server import Refused

    original = RefreshTokenGrant.authenticate_refresh_token

    def careless(self: Any, text: str) -> Any:
        if not cache.add(f"spent:{text}", 1):
            raise Refused(Refusal.invalid_grant("spent"))
        return original(self, text)

    rotate_without("AND current = %(presented)s")(patch)
    patch.setattr("idp.grants.refresh_token.equal", lambda *_: True)
    patch.setattr(RefreshTokenGrant, "authenticate_refresh_token", careless)


def whatever_was_granted(authorize: Any, client: Any, row: Any, **how: Any) -> Any:
    """As if the client might ask for all of it still."""
    return authorize(dataclasses.replace(client, scopes=tuple(how["scope"].split())), row, **how)


def as_it_was_given(judge: Any, token_claims: Any, row: Any, trigger: Any) -> Any:
    """As if the client might ask for all that its token says."""
    row = row | {"client_scopes": token_claims.get("scope", "").split()}
    return judge(token_claims, row, trigger)


def any_kind(original: Any, text: str, kind: str) -> Any:
    """A token of ours is a token of ours."""
    from core.errors import Refusal

    for each in ("at+jwt", "JWT", "logout+jwt"):
        try:
            return original(text, each)
        except Refusal:
            continue
    return original(text, kind)


def token_of_the_query(original: Any, request: Any) -> Any:
    from urllib.parse import parse_qs

    from idp.endpoints.presented import Presented

    named = parse_qs(request.query).get("access_token")
    return Presented("bearer", named[0]) if named else original(request)


def without_locks(original: Any, *args: Any) -> Any:
    return original(*args)._replace(locks=())


DEFENCES = {
    "A030": Defence(
        "only the current token rotates", rotate_without("AND current = %(presented)s")
    ),
    "A031": Defence(
        "a spent token ends its family",
        replace("idp.grants.refresh_token:_trace_replay", lambda *_: None),
    ),
    "A033": Defence("what is spent stands in the row, not in the cache", spent_tokens_in_the_cache),
    "A034": Defence("a revoked family does not rotate", rotate_without("AND revoked_at IS NULL")),
    "A034-consent": Defence(
        "a code rests on a consent that still stands",
        replace("idp.authorization.issue:_hold_consent", lambda *_, **__: None),
        "idp/test_consent.py",
    ),
    "A035": Defence(
        "a token shown by another client has leaked",
        replace("idp.grants.refresh_token:_trace_replay", lambda *_: None),
    ),
    "A036": Defence(
        "scope does not grow on refresh",
        replace(
            "idp.grants.refresh_token:RefreshTokenGrant._validate_token_scope", lambda *_: None
        ),
    ),
    "A037": Defence(
        "every fact is judged again at every refresh",
        wrap("idp.grants.proof:judge", lambda *_: waved_through()),
    ),
    "A037-seen": Defence(
        "what a process has seen of a family counts only if it is so still",
        as_it_was_seen,
    ),
    "A037-locks": Defence(
        "locks are facts of every use",
        wrap("sessions.evaluation:facts_of", without_locks),
        "sessions/test_locks.py",
    ),
    "A037-locked-out": Defence(
        "whoever is locked out does not sign in",
        replace("accounts.flows.locks:is_locked_out", lambda **_: False),
        "sessions/test_locking_oneself.py",
    ),
    "A037-response": Defence(
        "rules answer a lost device, a replay and a takeover at once",
        replace("sessions.response:respond", lambda *_, **__: None),
        "sessions/test_response.py",
    ),
    "A037-scopes": Defence(
        "what a client may no longer ask for is in no token",
        wrap("idp.grants.proof:authorize", whatever_was_granted),
    ),
    "A037-scopes-out": Defence(
        "what a client may no longer ask for counts in none of its tokens that are out",
        wrap("idp.endpoints.standing:judge", as_it_was_given),
        "attacks/test_a037_scopes_taken.py",
    ),
    "A037-tiers": Defence(
        "what demands a trusted device is withheld on others",
        wrap("sessions.evaluation:facts_of", in_the_highest_tier),
        "idp/test_withheld.py",
    ),
    "A039": Defence(
        "the type of a token is compared", wrap("idp.tokens.verify:_verified", any_kind)
    ),
    "A040": Defence(
        "an API exchanges what is for it",
        replace("idp.grants.token_exchange:_is_for", lambda *_: True),
    ),
    "A041": Defence(
        "a time is a whole number",
        replace("idp.tokens.verify:_is_whole", lambda value: isinstance(value, int | float)),
    ),
    "A042": Defence(
        "a refresh token has one spelling",
        replace(
            "idp.tokens.refresh_token:LAST", frozenset(string.ascii_letters + string.digits + "-_")
        ),
    ),
    "A043": Defence(
        "a token in the query is no token", wrap("idp.endpoints.presented:read", token_of_the_query)
    ),
    "A044": Defence(
        "rows decide, not the signature", wrap("idp.endpoints.standing:judge", whatever_it_is)
    ),
    "A044-lists": Defence(
        "a status list asks the rows that its tokens stand on",
        lambda patch: edit(
            patch, "FIND_STATUS_LIST", ") IS NOT TRUE", "idp.tokens.status_lists", new=") IS NULL"
        ),
        "specs/token_status_list/test_*.py",
    ),
    "A044-grants": Defence(
        "and the grants that elevated what they carry",
        lambda patch: edit(
            patch,
            "FIND_STATUS_LIST",
            "t.grants IS NULL OR",
            "idp.tokens.status_lists",
            new="t.grants IS NOT NULL OR t.grants IS NULL OR",
        ),
        "specs/token_status_list/test_*.py",
    ),
    "A044-revoked": Defence(
        "and which of them were revoked one by one",
        lambda patch: edit(
            patch,
            "FIND_STATUS_LIST",
            "r.jti = t.jti",
            "idp.tokens.status_lists",
            new="r.jti IS NULL",
        ),
        "specs/token_status_list/test_*.py",
    ),
    "A046": Defence(
        "the subject is made of the user's id, never of the address",
        wrap("idp.tokens.subject:subject_of", subject_by_address),
    ),
}
