"""Policy: its answers, and the pages of what may be done (A145 to A147, A159)."""

from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    replace,
    waved_through,
    wrap,
)

_answers: dict[str, Any] = {}


_revisions: dict[str, str] = {}


def the_first_revision(original: Any, known: Any) -> Any:
    return _revisions.setdefault("", original(known))


def read_leniently(kind: Any, answer: Any, revision: str) -> Any:
    """Takes what it knows out of an answer, and overlooks the rest."""
    from core.assurance import Level
    from core.ids import new_id
    from policy.decision import Outcome

    try:
        outcome = Outcome(answer["outcome"])
    except (TypeError, KeyError, ValueError):
        return kind.denied("policy_undefined", revision)
    level = Level(int(answer.get("required_level") or 0))
    return kind(outcome, tuple(answer.get("reasons") or ()), revision, new_id(), level)


def whatever_it_says(self: Any, response: Any) -> Any:
    import json

    from policy.opa import OpaAnswer

    return OpaAnswer(json.loads(response.body)["result"], self.settings.bundle)


def a_kept_one(self: Any) -> Any:
    return getattr(self._local, "kept", (0, None))[1]


def the_active_one(*_: Any) -> str:
    from policy import engine

    return engine.revision()


def a_second_more(original: Any, deadline: float) -> Any:
    return original(deadline + 1)


def the_first_answer(original: Any, facts: Any, **how: Any) -> Any:
    """Keeps decisions by what was asked for and how strongly somebody has signed in."""
    key = f"{facts.trigger}:{facts.session.level}:{','.join(facts.role_tiers)}"
    return _answers.setdefault(key, original(facts, **how))


class Unsealed:
    """Writes down what it should seal, and reads back whatever it is given."""

    def __init__(self, _: bytes) -> None:
        pass

    def encrypt(self, _: bytes, text: bytes, about: bytes) -> bytes:
        return about + text

    def decrypt(self, _: bytes, text: bytes, about: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        start = text.find(b"{")
        if start < 0 or text[:start] not in {about, b""}:
            raise InvalidTag
        return text[start:]


DEFENCES = {
    "A145": Defence(
        "a policy that cannot answer denies",
        replace("policy.engine:decide", lambda *_, **__: waved_through()),
    ),
    "A146": Defence(
        "a policy server's answer has exactly the members that it should",
        replace("policy.decision:Decision.from_answer", classmethod(read_leniently)),
    ),
    "A146-server": Defence(
        "what a policy server says is read strictly",
        replace("policy.opa:OpaServer._read", whatever_it_says),
    ),
    "A146-time": Defence(
        "a policy server has half a second", wrap("core.exchange:left", a_second_more)
    ),
    "A146-connection": Defence(
        "a connection over which something came by itself is not used again",
        replace("policy.opa:OpaServer._kept", a_kept_one),
    ),
    "A146-revision": Defence(
        "an answer by another revision than the active one does not count",
        replace("policy.opa:_revision", the_active_one),
    ),
    "A145-signature": Defence(
        "a published policy is verified before it counts",
        replace("policy.signing:verify", lambda *_: None),
        files="policy/test_versions.py",
    ),
    "A145-time": Defence(
        "rules that are tried out have no longer than somebody waits",
        replace("policy.trial:Trial._end", lambda _: None),
        files="policy/test_simulation.py",
    ),
    "A147-revision": Defence(
        "which policy counts is looked up at each use",
        wrap("policy.engine:_active", the_first_revision),
    ),
    "A147": Defence("each use is decided anew", wrap("policy.engine:decide", the_first_answer)),
    "A159-pages": Defence(
        "a token of a page is for one client and one search",
        replace("policy.authzen.paging:_bound_to", lambda *_: b""),
        "attacks/test_a159_page_tokens.py",
    ),
    "A159-sealed": Defence(
        "a token of a page is sealed by a key of this installation",
        lambda patch: patch.setattr("policy.authzen.paging.AESGCM", Unsealed),
        "attacks/test_a159_page_tokens.py",
    ),
}
