"""What each command does: a few calls, and the lines that tell of them."""

import time
from argparse import Namespace
from typing import Any, NamedTuple
from urllib.parse import quote

from sallyport_cli import keeping, telling
from sallyport_cli.failure import Code, Failure
from sallyport_cli.server import Say, Server

WAIT_SECONDS = 3.0
MINUTE = 60
MOST = 200


class Told(NamedTuple):
    """answer: as the API gives it, for `--json`. words: the same for people."""

    answer: Any
    words: str


def login(asked: Namespace, say: Say) -> Told:
    server = Server(asked.address)
    client_id = asked.client_id or _known_client(server.issuer)
    server.sign_in(client_id, scope="access", say=say)
    return whoami(asked, say)


def logout(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    kept = keeping.read()
    Server(kept.issuer).sign_out(kept)
    return Told({"signed_in": False}, "You are signed out here; your browser is not.")


def whoami(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    told = _server().call("GET", "/me")
    held = ", ".join(telling.role(each) for each in told["roles"]) or "none"
    return Told(
        told,
        telling.plain(
            f"{told['email']} of {told['organisation']}, signed in by {told['acr']}; roles: {held}"
        ),
    )


def list_access(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    """What one has, and what one may ask for."""
    server = _server()
    me = server.call("GET", "/me")
    opened = _all(server, "/access/grants", which="open")
    offered = _all(server, "/access/entitlements")
    words = [
        telling.roles(me["roles"]),
        telling.grants(opened, nothing="You have asked for nothing that is open."),
        telling.offers(offered),
    ]
    answer = {"roles": me["roles"], "grants": opened, "entitlements": offered}
    return Told(answer, "\n\n".join(words))


def history(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    items = _server().call("GET", "/access/grants", which="past", limit=asked.limit)["items"]
    return Told(items, telling.grants(items, nothing="Nothing yet."))


def show(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    told = _server().call("GET", f"/access/grants/{quote(asked.id, safe='')}")
    return Told(told, telling.in_full(told))


def explain(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    """Every rule of an entitlement, and who could approve."""
    told = _server().call("GET", f"/access/entitlements/{quote(asked.entitlement, safe='')}")
    return Told(told, telling.explained(told))


def request(asked: Namespace, say: Say) -> Told:
    server = _server()
    wish: dict[str, Any] = {
        "entitlement": asked.entitlement,
        "reason": asked.reason,
        "ticket": asked.ticket,
        "dry_run": asked.dry_run,
    }
    if asked.minutes is not None:
        wish["duration"] = asked.minutes * MINUTE
    if asked.workload:
        wish["workload"] = asked.workload
    told = server.call("POST", "/access/grants", wish)
    if asked.dry_run:
        return Told(told, f"{telling.grant(told)} - so it would be; nothing was asked.")
    say(f"{told['id']}  {telling.grant(told)}")
    if asked.wait:
        told = _wait_for_answers(server, told)
    return Told(told, _and_now(told))


def inbox(asked: Namespace, say: Say) -> Told:  # noqa: ARG001
    items = _server().call("GET", "/access/inbox")["items"]
    shown = [each["grant"] for each in items]
    return Told(items, telling.grants(shown, nothing="Nothing waits for you.", with_people=True))


def approve(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "approve", {"reason": asked.reason})


def deny(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "deny", {"reason": asked.reason})


def revoke(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "revoke", {"reason": asked.reason})


def break_glass(asked: Namespace, say: Say) -> Told:
    """Take access without approval: everybody who was not asked is told."""
    body: dict[str, Any] = {"entitlement": asked.entitlement, "reason": asked.reason}
    if asked.minutes is not None:
        body["duration"] = asked.minutes * MINUTE
    return _send(asked, say, "/access/grants/break-glass", body)


def activate(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "activate")


def drop(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "drop")


def cancel(asked: Namespace, say: Say) -> Told:
    return _act(asked, say, "cancel")


def extend(asked: Namespace, say: Say) -> Told:
    body: dict[str, Any] = {"reason": asked.reason, "ticket": asked.ticket}
    if asked.minutes is not None:
        body["duration"] = asked.minutes * MINUTE
    return _act(asked, say, "extend", body)


def _act(asked: Namespace, say: Say, action: str, body: Any = None) -> Told:
    return _send(asked, say, f"/access/grants/{quote(asked.id, safe='')}/{action}", body)


def _send(asked: Namespace, say: Say, path: str, body: Any) -> Told:
    """Do it. With `--wait` a proof that is asked for is waited for: it is made in the browser."""
    server = _server()
    ends_at = time.time() + asked.wait_seconds if asked.wait else 0.0
    is_told = False
    while True:
        try:
            answer = server.call("POST", path, body)
        except Failure as failure:
            if failure.code is not Code.PROOF_NEEDED or time.time() >= ends_at:
                raise
            if not is_told:
                say(failure.words)
                is_told = True
            time.sleep(WAIT_SECONDS)
            continue
        told = answer["grant"] if "did" in answer else answer
        return Told(answer, telling.grant(told))


def _wait_for_answers(server: Server, told: dict[str, Any]) -> dict[str, Any]:
    while told["state"] == "approval_awaited":
        time.sleep(WAIT_SECONDS)
        told = server.call("GET", f"/access/grants/{told['id']}")
    if told["state"] not in {"scheduled", "active"}:
        raise Failure(Code.NOT_APPROVED, telling.grant(told))
    return told


def _and_now(told: dict[str, Any]) -> str:
    if told["state"] == "scheduled":
        return f"Approved. Begin with: sallyport activate {told['id']}"
    return telling.grant(told)


def _all(server: Server, path: str, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        further = {"cursor": cursor} if cursor else {}
        page = server.call("GET", path, **query, **further, limit=MOST)
        items += page["items"]
        cursor = page["next"]
    return items


def _server() -> Server:
    return Server(keeping.read().issuer)


def _known_client(issuer: str) -> str:
    """The client of the last sign-in at the same address."""
    try:
        kept = keeping.read()
    except Failure:
        kept = None
    if kept is None or kept.issuer != issuer:
        raise Failure(Code.REFUSED, "Give --client-id: your administrator knows it.")
    return kept.client_id
