"""A real Open Policy Agent answers in place of the embedded engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from django.conf import settings

from core.ids import new_token
from policy import engine
from policy.decision import Outcome
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.opa import OpaServer, OpaSettings
from policy.response import Act, Action, Signal
from tests.policy.test_decisions import GOOD
from tests.support.elsewhere import authority
from tests.support.opa import Opa

RULES = sorted(path for path in settings.POLICY_DIR.glob("*.rego") if "_test" not in path.name)
HEAD = "package sallyport\n\nimport rego.v1\n\n"
DOCUMENT = json.dumps(GOOD.document()).encode()


@pytest.fixture(scope="module")
def opa() -> Iterator[Opa]:
    with Opa(*RULES) as server:
        yield server


@pytest.fixture
def answers(opa: Opa) -> Iterator[None]:
    engine.configure(settings.POLICY_DIR, opa=OpaSettings(url=opa.url))
    yield
    engine.configure(settings.POLICY_DIR)


@pytest.mark.usefixtures("answers")
def test_it_decides() -> None:
    decision = engine.decide(GOOD)

    assert (decision.outcome, decision.revision) == (Outcome.ALLOW, "external")
    assert engine.works()


@pytest.mark.usefixtures("answers")
def test_it_says_what_follows() -> None:
    assert engine.respond(Signal("token_replay", {})).actions == (Action(Act.NOTIFY),)


@pytest.mark.usefixtures("answers")
def test_what_it_knows_nothing_of_is_undefined() -> None:
    assert engine.evaluate("sallyport/nowhere", {}) is UNDEFINED
    assert engine.evaluate("sallyport/decision", {}) is UNDEFINED


def test_one_without_policy_denies() -> None:
    with Opa() as empty:
        engine.configure(settings.POLICY_DIR, opa=OpaSettings(url=empty.url))
        try:
            assert engine.decide(GOOD).reasons == ("policy_undefined",)
            assert not engine.works()
        finally:
            engine.configure(settings.POLICY_DIR)


def test_a_built_in_that_fails_is_no_answer(tmp_path: Path) -> None:
    """Left to itself OPA says undefined, so that a rule which denies would not."""
    rule = tmp_path / "failing.rego"
    rule.write_text(f'{HEAD}default denied := false\n\ndenied if net.cidr_contains("x", "y")\n')
    with Opa(rule) as server, pytest.raises(PolicyUnavailable, match="status 500"):
        OpaServer(OpaSettings(url=server.url)).ask("sallyport/denied", b"{}")


def test_one_that_is_stopped_denies_and_one_that_is_back_goes_on() -> None:
    with Opa(*RULES) as server:
        asked, port = OpaServer(OpaSettings(url=server.url)), server.port
        assert asked.ask("sallyport/decision", DOCUMENT).value["outcome"] == "allow"
    with pytest.raises(PolicyUnavailable):
        asked.ask("sallyport/decision", DOCUMENT)

    again = Opa(*RULES)
    again.port = port
    with again:
        assert asked.ask("sallyport/decision", DOCUMENT).value["outcome"] == "allow"


def test_it_may_want_a_token_and_its_certificate_is_verified(tmp_path: Path) -> None:
    certificate, key = authority().sign([x509.DNSName("localhost")])
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    token = new_token()
    rule = tmp_path / "authz.rego"
    rule.write_text(
        "package system.authz\n\nimport rego.v1\n\ndefault allow := false\n\n"
        f'allow if input.identity == "{token}"\n\nallow if input.path == ["health"]\n'
    )
    arguments = (
        *("--tls-cert-file", str(tmp_path / "cert.pem")),
        *("--tls-private-key-file", str(tmp_path / "key.pem")),
        *("--authentication", "token", "--authorization", "basic"),
    )
    ca = authority().pem
    with Opa(*RULES, rule, arguments=arguments, ca=ca) as server:
        good = OpaSettings(url=server.url, token=token, ca=ca)

        assert OpaServer(good).ask("sallyport/decision", DOCUMENT).value["outcome"] == "allow"
        for wrong in (
            OpaSettings(url=server.url, ca=ca),
            OpaSettings(url=server.url, token="guessed", ca=ca),
            OpaSettings(url=server.url, token=token),
            OpaSettings(url=server.url.replace("https", "http"), token=token),
            OpaSettings(url=server.url.replace("localhost", "127.0.0.1"), token=token, ca=ca),
        ):
            with pytest.raises(PolicyUnavailable):
                OpaServer(wrong).ask("sallyport/decision", DOCUMENT)
