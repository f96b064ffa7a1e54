"""A062: client secrets are guessed, timed or read; client ids are searched for."""

import hmac
import inspect
import math
from collections import Counter
from typing import Any

import pytest

from audit.models import AuditEvent
from core import clock, ids
from idp import flows
from idp.clients import authentication
from idp.clients.authentication import FAILURES
from idp.models import Client
from tests import cast
from tests.support import assertions, oauth

pytestmark = pytest.mark.django_db
FORM = {"grant_type": "client_credentials"}
PATHS = {
    "/oauth/token": FORM,
    "/oauth/introspect": {"token": "x"},
    "/oauth/revoke": {"token": "x"},
    "/oauth/par": {"response_type": "code"},
    "/oauth/device_authorization": {"scope": "openid"},
    "/oauth/bc-authorize": {"scope": "openid", "login_hint": "alice@acme.example"},
}


@pytest.fixture
def machine(acme: Any) -> Client:
    return cast.client("machine", acme, grant_types=["client_credentials"], scopes=["reports"])


def guess(path: str = "/oauth/token", secret: str = "w" * 43, who: str = "machine", **environ: Any):
    return oauth.send(
        "POST", path, form=PATHS[path], authorization=oauth.basic(who, secret), **environ
    )


def test_a_secret_of_ours_has_256_bits_and_is_kept_as_its_digest(acme: Any) -> None:
    seen = set()
    for number in range(20):
        made = flows.register_client(
            organisation=acme, name=f"App {number}", kind="confidential",
            redirect_uris=[cast.REDIRECT_URI], now=clock.now(),
        )  # fmt: skip
        assert made.secret is not None
        seen.add(made.secret)
        row = Client.unscoped.filter(pk=made.client.pk).values().get()
        assert made.secret not in str(row)
        assert bytes(row["secret_digest"]) == ids.digest(made.secret)
    assert len(seen) == 20
    letters = Counter("".join(seen))
    entropy = -sum(n / letters.total() * math.log2(n / letters.total()) for n in letters.values())
    assert min(map(len, seen)) * entropy > 240


def test_it_is_compared_in_constant_time(machine: Client, monkeypatch: Any) -> None:
    compared = []
    original = hmac.compare_digest

    def compare(left: Any, right: Any) -> bool:
        compared.append((len(left), len(right)))
        return original(left, right)

    monkeypatch.setattr("core.ids.hmac.compare_digest", compare)
    assert guess(secret="x").error == "invalid_client"
    assert guess(secret=cast.SECRET).status == 200

    assert (32, 32) in compared
    assert all(left == right for left, right in compared), "digests, never the secrets themselves"
    assert "==" not in inspect.getsource(authentication.MachineClient.check_client_secret)


@pytest.mark.usefixtures("early_in_a_window")
@pytest.mark.parametrize("path", PATHS)
def test_beyond_the_limit_not_even_the_right_one_is_judged(
    machine: Client, acme_web: Client, path: str, later: Any
) -> None:
    """A guess that is judged is a guess, whatever its answer is called."""
    for _ in range(FAILURES.burst):
        assert guess(path).error == "invalid_client"
    assert guess(path).status == 429

    right = guess(path, cast.SECRET)
    assert (right.status, right.error) == (429, "too_many_attempts")
    assert 0 < int(right.headers["Retry-After"]) <= 60
    assert guess("/oauth/token", cast.SECRET).status == 429, "nor at another endpoint"
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()

    later(seconds=61)
    assert guess("/oauth/token", cast.SECRET).status == 200


@pytest.mark.usefixtures("early_in_a_window")
def test_whoever_guesses_stops_nobody_else(machine: Client, acme_web: Client) -> None:
    for _ in range(FAILURES.burst + 1):
        guess()

    assert guess(secret=cast.SECRET, REMOTE_ADDR="192.0.2.8").status == 200
    assert guess("/oauth/introspect", cast.SECRET, who="acme-web").status == 200


@pytest.mark.usefixtures("early_in_a_window")
def test_assertions_are_counted_by_the_client_that_they_name(acme: Any) -> None:
    assertions.client(acme)
    forged = [assertions.sign(assertions.claims(), assertions.ec_key("evil")) for _ in range(61)]
    for text in forged[:60]:
        assert assertions.present(text).error == "invalid_client"
    assert assertions.present(forged[60]).status == 429

    assert assertions.present(assertions.sign(assertions.claims())).status == 429
    assertions.client(acme, client_id="acme-other")
    good = assertions.sign(assertions.claims("acme-other"))
    assert assertions.present(good).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_whether_a_client_exists_is_not_told(machine: Client, path: str) -> None:
    known, unknown = (
        oauth.send("POST", path, form=PATHS[path], authorization=oauth.basic(who, "wrong"))
        for who in ("machine", "nobody")
    )

    assert (known.status, known.body, known.headers) == (
        unknown.status, unknown.body, unknown.headers,
    )  # fmt: skip
