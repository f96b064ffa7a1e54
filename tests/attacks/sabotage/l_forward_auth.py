"""Applications behind a proxy (A156)."""

from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    edit,
    layers,
    replace,
    wrap,
)


def forward_without(patch: Patch, condition: str) -> None:
    edit(
        patch, "FIND_PROXIED", condition, "idp.storage.forward_auth", "idp.forward_auth.judging"
    )  # fmt: skip


def redeem_forwarded_without(patch: Patch, condition: str, new: str = "") -> None:
    edit(
        patch, "REDEEM_FORWARD_CODE", condition, "idp.storage.forward_auth",
        "idp.forward_auth.hosts", new=new,
    )  # fmt: skip


def as_if_for_everything(original: Any, asked: Any, row: Any, demands: Any, held: Any) -> Any:
    """Takes a role that is limited to resources for all of it."""
    names = {each.role for each in held.limited}
    return original(asked, row, demands, held._replace(roles=tuple({*held.roles, *names})))


def for_whatever_is_named(original: Any, held: Any) -> Any:
    """Says of each role that it is limited to what is asked for."""
    named = [{"type": "database", "id": "sales"}, {"type": "database", "id": "orders"}]
    return [line | resource for line in original(held) for resource in named]


def whatever_comes_first(header: str, origin: str) -> dict[str, str]:
    """Reads cookies as most libraries do: quotes are dropped, and of two the last one counts."""
    from http.cookies import CookieError, SimpleCookie

    from idp.forward_auth.asked import COOKIE, STATE_COOKIE, cookie_name

    try:
        read = SimpleCookie(header)
    except CookieError:
        read = SimpleCookie()
    names = {name: cookie_name(name, origin) for name in (COOKIE, STATE_COOKIE)}
    return {name: read[shown].value if shown in read else "" for name, shown in names.items()}


def as_browsers_forgive(scheme: str, authority: str) -> str:
    """Takes what a URL parser makes of a host."""
    from urllib.parse import urlsplit

    host = urlsplit(f"{scheme}://{authority}").hostname or ""
    return f"{scheme}://{host.rstrip('.')}"


def waving_options_through(original: Any, environ: Any) -> Any:
    from idp.machine.wire import Answer

    is_preflight = environ["REQUEST_METHOD"] == "OPTIONS"
    return Answer(204, b"", []) if is_preflight else original(environ)


def as_if_nothing_were(original: Any, refusal: Any) -> Any:
    from idp.machine.wire import Answer

    return Answer(200, b"", []) if refusal.status == 503 else original(refusal)


def where_there_is_something_to_say(original: Any, *args: Any) -> Any:
    return [(name, value) for name, value in original(*args) if value]


FORWARD = "attacks/test_a156_forward_auth.py"


DEFENCES = {
    "A156": Defence(
        "who passes shows the cookie of a live sign-in at this application",
        lambda patch: forward_without(patch, "f.digest = %(digest)s AND "),
        FORWARD,
    ),
    "A156-application": Defence(
        "a cookie is good at its own application",
        lambda patch: forward_without(patch, " AND f.client_id = c.id AND f.origin = c.origin"),
        FORWARD,
    ),
    "A156-cookie": Defence(
        "a cookie that comes twice, or is no token, is none",
        replace("idp.forward_auth.asked:_cookies", whatever_comes_first),
        FORWARD,
    ),
    "A156-proxy": Defence(
        "only known proxies are believed",
        replace("core.http:is_from", lambda *_: True),
        FORWARD,
    ),
    "A156-conflict": Defence(
        "headers that name two places are refused",
        replace("idp.forward_auth.asked:_Said.check", lambda *_: None),
        FORWARD,
    ),
    "A156-address": Defence(
        "a proxy says who asks",
        replace("core.http:address_of_hop", lambda _: "192.0.2.1"),
        FORWARD,
    ),
    "A156-host": Defence(
        "a host is host and port, and nothing else",
        replace("idp.forward_auth.asked:origin_of", as_browsers_forgive),
        FORWARD,
    ),
    "A156-path": Defence(
        "a path that can be read in two ways is refused where rules tell paths apart",
        replace("idp.forward_auth.rules:_segments", lambda path: path[1:].rstrip("/").split("/")),
        FORWARD,
    ),
    "A156-method": Defence(
        "no method passes without being judged",
        wrap("idp.forward_auth.door:answer", waving_options_through),
        FORWARD,
    ),
    "A156-failure": Defence(
        "what breaks is a no",
        wrap("idp.forward_auth.replies:refused", as_if_nothing_were),
        FORWARD,
    ),
    "A156-identity": Defence(
        "every identity header is set anew",
        wrap("idp.forward_auth.identity:headers", where_there_is_something_to_say),
        FORWARD,
    ),
    "A156-names": Defence(
        "a name that holds a comma is left out of lists",
        replace("idp.forward_auth.identity:_list", ",".join),
        FORWARD,
    ),
    "A156-browser": Defence(
        "a code is good in the browser that began",
        lambda patch: redeem_forwarded_without(patch, " AND challenge = %(challenge)s"),
        FORWARD,
    ),
    "A156-once": Defence(
        "a code is good once",
        lambda patch: redeem_forwarded_without(patch, "used_at IS NULL AND "),
        FORWARD,
    ),
    "A156-taken-back": Defence(
        "whose access was taken back comes in again by a newer proof alone",
        layers(
            lambda patch: redeem_forwarded_without(
                patch, " AND w.withdrawn_at >= s.auth_time", " AND false"
            ),
            replace("idp.forward_auth.sign_in:last_withdrawal", lambda **_: None),
        ),
        FORWARD,
    ),
    "A156-limited": Defence(
        "a role for some resources counts in rules that name one of them",
        wrap("idp.forward_auth.judging:against", as_if_for_everything),
        FORWARD,
    ),
    "A156-another": Defence(
        "a role for some resources counts for those",
        wrap("idp.forward_auth.judging:limited_to", for_whatever_is_named),
        FORWARD,
    ),
    "A156-claim": Defence(
        "who administers one organisation names no host beside another",
        replace("idp.forward_auth.registration:_check_claim", lambda _: None),
        FORWARD,
    ),
    "A156-unseen": Defence(
        "rules take the place of those that were seen",
        replace("idp.forward_auth.rules:version_of", lambda _: "the same"),
        FORWARD,
    ),
}
