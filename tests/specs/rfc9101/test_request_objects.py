"""RFC 9101, JWT-Secured Authorization Requests; OpenID Connect Core 1.0 §6."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from core import clock
from idp.models import (
    AuthorizationCode,
    AuthorizationRequest,
    Client,
    PushedRequest,
    UsedAssertion,
)  # fmt: skip
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize, is_error_page, nothing_was_issued
from tests.support.elsewhere import Elsewhere
from tests.support.over_tls import ISSUER
from tests.support.push import open_pushed, push
from tests.support.request_objects import claims, encode, key, sign, signing_client, unsigned

pytestmark = pytest.mark.django_db
CALLBACK = cast.REDIRECT_URI


@pytest.fixture
def signer(acme: Organisation) -> Client:
    return signing_client("signer", acme)


@pytest.fixture
def fapi(acme: Organisation) -> Client:
    return signing_client(
        "fapi", acme, security_profile="fapi2", require_signed_request_object=True
    )


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def ask(browser: Browser, client: Client, text: str, **beside: Any) -> Any:
    query = {"client_id": client.client_id, "request": text} | beside
    return browser.get(f"/oauth/authorize?{urlencode(query, doseq=True)}")


def push_object(client: Client, text: str, **beside: Any) -> Any:
    form = {"request": text} | beside
    return oauth.send("POST", "/oauth/par", form=form, authorization=oauth.basic(client.client_id))


@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "JWT", None])
def test_section_5_1_client_id_and_a_signed_object_are_enough(
    alices: Browser, signer: Client, alg: str, typ: str | None
) -> None:
    response = ask(alices, signer, sign(claims(signer), alg=alg, header={"typ": typ}))

    assert answer(response).keys() == {"code", "state", "iss"}
    assert AuthorizationCode.unscoped.get().nonce == "n-1"


def test_section_6_3_only_what_is_inside_counts(alices: Browser, signer: Client) -> None:
    inside = sign(claims(signer, scope="openid", state="inside", nonce=None))

    response = ask(
        alices, signer, inside, scope="openid profile", state="outside", nonce="outside",
        redirect_uri="https://evil.example/", prompt="login", login_hint="mallory",
    )  # fmt: skip

    assert answer(response)["state"] == "inside"
    code = AuthorizationCode.unscoped.get()
    assert (code.scope, code.nonce) == ("openid", "")


def test_core_6_1_a_state_only_beside_the_object_is_not_returned(
    alices: Browser, signer: Client
) -> None:
    response = ask(alices, signer, sign(claims(signer, state=None)), state="outside")

    assert answer(response).keys() == {"code", "iss"}


def test_section_4_parameters_may_be_numbers_lists_and_objects(
    alices: Browser, acme: Organisation
) -> None:
    detail = {"type": "payment", "amount": 1}
    client = signing_client(
        "many", acme, resources=["https://a.example/"], authorization_details_types=["payment"]
    )
    inside = claims(client, max_age=3600, resource=["https://a.example/"])

    assert "code" in answer(ask(alices, client, sign(inside)))
    assert AuthorizationCode.unscoped.get().terms["resource"] == ["https://a.example/"]
    response = ask(alices, client, sign(inside | {"authorization_details": [detail]}))
    assert response["Location"].startswith("/oauth/consent")


def test_section_4_the_audience_may_be_a_list(alices: Browser, signer: Client) -> None:
    text = sign(claims(signer, aud=["https://other.example", ISSUER]))

    assert "code" in answer(ask(alices, signer, text))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "acme-web"},
        {"client_id": None},
        {"client_id": "acme-web"},
        {"aud": None},
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"aud": {"a": 1}},
        {"sub": "signer"},
        {"request": "e30.e30."},
        {"request_uri": "https://a.example/"},
        {"exp": -10},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": 60},
        {"nbf": "now"},
        {"scope": ["openid"]},
        {"redirect_uri": 1.5},
        {"state": {"a": 1}},
    ],
    ids=str,
)
def test_section_6_what_is_wrong_inside_is_an_invalid_request_object(
    alices: Browser, signer: Client, changes: dict[str, Any]
) -> None:
    now = int(clock.now().timestamp())
    changes = {
        name: now + value if name in {"exp", "nbf"} and type(value) is int else value
        for name, value in changes.items()
    }
    text = sign(claims(signer, **changes))

    told = ask(alices, signer, text, redirect_uri=CALLBACK, state="s-1")

    assert answer(told)["error"] == "invalid_request_object"
    assert answer(told)["state"] == "s-1"
    assert is_error_page(ask(alices, signer, text))
    assert is_error_page(ask(alices, signer, text, redirect_uri="https://evil.example/"))
    reply = push_object(signer, text)
    assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert nothing_was_issued()
    assert not PushedRequest.unscoped.exists()


def test_section_6_1_an_unsigned_object_is_refused(alices: Browser, signer: Client) -> None:
    text = unsigned(claims(signer))

    told = ask(alices, signer, text, redirect_uri=CALLBACK)

    assert answer(told)["error"] == "request_not_supported"
    assert push_object(signer, text).error == "invalid_request_object"
    assert nothing_was_issued()


@pytest.mark.parametrize("alg", ["HS256", "ES384", "Ed448", "None", "nOnE", "", None, 1, ["ES256"]])
def test_section_6_1_nor_one_of_another_algorithm(signer: Client, alg: Any) -> None:
    head = sign(claims(signer)).split(".")
    text = f"{encode({'alg': alg})}.{head[1]}.{head[2]}"

    assert push_object(signer, text).error == "invalid_request_object"


def test_section_6_2_another_keys_signature_is_refused(signer: Client) -> None:
    assert push_object(signer, sign(claims(signer), by=key(owner="other"))).status == 400
    text = sign(claims(signer))
    assert push_object(signer, text[:-6] + "AAAAAA").error == "invalid_request_object"


def test_a_client_without_keys_cannot_sign(acme_web: Client) -> None:
    assert push_object(acme_web, sign(claims(acme_web))).error == "invalid_request_object"


def test_the_registered_algorithm_is_the_only_one(acme: Organisation) -> None:
    client = signing_client("ps", acme, request_object_signing_alg="PS256")

    assert push_object(client, sign(claims(client), alg="PS256")).status == 201
    assert push_object(client, sign(claims(client))).error == "invalid_request_object"


def test_section_10_5_a_client_may_be_registered_to_sign_always(
    alices: Browser, acme: Organisation
) -> None:
    client = signing_client("always", acme, require_signed_request_object=True)

    assert answer(authorize(alices, client))["error"] == "invalid_request"
    assert push(client).error == "invalid_request"
    assert "code" in answer(ask(alices, client, sign(claims(client))))


def test_request_and_request_uri_exclude_each_other(alices: Browser, signer: Client) -> None:
    response = ask(
        alices,
        signer,
        sign(claims(signer)),
        request_uri="https://a.example/",
        redirect_uri=CALLBACK,
    )

    assert answer(response)["error"] == "invalid_request"


class TestPushed:
    def test_an_object_may_be_pushed(self, alices: Browser, signer: Client) -> None:
        reply = push_object(signer, sign(claims(signer)), state="outside", scope="roles")

        response = open_pushed(alices, signer, reply.json["request_uri"])

        assert answer(response)["state"] == "s-1"
        assert AuthorizationCode.unscoped.get().scope == "openid profile"

    def test_what_is_inside_is_checked_as_well(self, signer: Client) -> None:
        bad = claims(signer, redirect_uri="https://evil.example/")

        assert push_object(signer, sign(bad)).error == "invalid_request"
        none = claims(signer, redirect_uri=None)
        assert push_object(signer, sign(none), redirect_uri=CALLBACK).error == "invalid_request"


class TestMessageSigning:
    """FAPI 2.0 Message Signing §5.3.1, by the client's security profile."""

    def at(self, fapi: Client, *, nbf: int | None, exp: int | None, alg: str = "PS256") -> Any:
        now = int(clock.now().timestamp())
        times = {
            "nbf": None if nbf is None else now + nbf,
            "exp": None if exp is None else now + exp,
        }
        return push_object(fapi, sign(claims(fapi, **times), alg=alg))

    @pytest.mark.parametrize(("nbf", "exp"), [(0, 300), (8, 300), (-3570, 30), (0, 3600)])
    def test_within_an_hour_it_is_accepted(self, fapi: Client, nbf: int, exp: int) -> None:
        assert self.at(fapi, nbf=nbf, exp=exp).status == 201

    @pytest.mark.parametrize(
        ("nbf", "exp"),
        [(0, None), (None, 300), (0, 3700), (-3700, 10), (-4200, -10), (120, 300)],
    )
    def test_outside_or_without_times_it_is_refused(
        self, fapi: Client, nbf: int | None, exp: int | None
    ) -> None:
        assert self.at(fapi, nbf=nbf, exp=exp).error == "invalid_request_object"

    def test_rs256_is_refused(self, fapi: Client) -> None:
        assert self.at(fapi, nbf=0, exp=300, alg="RS256").error == "invalid_request_object"
        assert self.at(fapi, nbf=0, exp=300, alg="ES256").status == 201

    def test_an_unsigned_push_is_an_invalid_request(self, fapi: Client) -> None:
        assert push(fapi).error == "invalid_request"


class TestByReference:
    @pytest.fixture
    def document(self, elsewhere: Elsewhere) -> str:
        return elsewhere.url("/request.jwt")

    @pytest.fixture
    def client(self, acme: Organisation, document: str) -> Client:
        return signing_client("referring", acme, request_uris=[f"{document}#any-thing"])

    def ask(self, browser: Browser, client: Client, reference: str, **beside: Any) -> Any:
        return authorize(browser, client, request_uri=reference, **beside)

    def test_section_5_2_a_registered_address_is_fetched_without_its_fragment(
        self, alices: Browser, client: Client, document: str, elsewhere: Elsewhere
    ) -> None:
        body = sign(claims(client, state="inside"), alg="RS256").encode()
        elsewhere.serve("/request.jwt", body, content_type="application/jwt")

        response = self.ask(alices, client, f"{document}#any-thing")

        assert answer(response)["state"] == "inside"
        assert [path for _, path, _, _ in elsewhere.requests] == ["/request.jwt"]

    @pytest.mark.parametrize("tail", ["", "#other", "?a=b#any-thing", "/#any-thing"])
    def test_no_other_address_is(
        self, alices: Browser, client: Client, document: str, tail: str, elsewhere: Elsewhere
    ) -> None:
        response = self.ask(alices, client, document + tail)

        assert answer(response)["error"] == "invalid_request_uri"
        assert not elsewhere.requests

    def test_nor_any_for_a_client_that_registered_none(
        self, alices: Browser, signer: Client, document: str, elsewhere: Elsewhere
    ) -> None:
        response = self.ask(alices, signer, document)

        assert answer(response)["error"] == "request_uri_not_supported"
        assert not elsewhere.requests

    @pytest.mark.parametrize(
        "page",
        [
            (404, {"Content-Type": "application/jwt"}, b"no"),
            (302, {"Location": "https://evil.example/"}, b""),
            (200, {"Content-Type": "text/html"}, b"<p>"),
            (200, {"Content-Type": "application/jwt"}, b"a" * 20_000),
            (200, {"Content-Type": "application/jwt"}, b"\xff"),
        ],
        ids=["404", "redirect", "page", "too long", "no text"],
    )
    def test_what_cannot_be_had_is_an_invalid_request_uri(
        self, alices: Browser, client: Client, document: str, elsewhere: Elsewhere, page: Any
    ) -> None:
        elsewhere.pages["/request.jwt"] = page

        response = self.ask(alices, client, f"{document}#any-thing")

        assert answer(response)["error"] == "invalid_request_uri"
        assert nothing_was_issued()

    def test_what_is_had_must_be_signed(
        self, alices: Browser, client: Client, document: str, elsewhere: Elsewhere
    ) -> None:
        body = unsigned(claims(client)).encode()
        elsewhere.serve("/request.jwt", body, content_type="application/jwt")

        response = self.ask(alices, client, f"{document}#any-thing")

        assert answer(response)["error"] == "request_not_supported"

    @pytest.mark.usefixtures("early_in_a_window")
    def test_strangers_can_make_us_ask_so_often_only(
        self, client: Client, document: str, elsewhere: Elsewhere, monkeypatch: Any
    ) -> None:
        from dataclasses import replace

        from idp.requests import request_objects

        small = replace(request_objects.REQUEST_REFERENCES, burst=2)
        monkeypatch.setattr(request_objects, "REQUEST_REFERENCES", small)

        answers = [
            answer(self.ask(Browser(), client, f"{document}#any-thing"))["error"] for _ in range(3)
        ]

        assert answers == ["invalid_request_uri"] * 2 + ["temporarily_unavailable"]
        assert len(elsewhere.requests) == 2


def test_section_9_1_metadata_says_what_is_supported(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is True
    assert document["require_request_uri_registration"] is True
    found = document["request_object_signing_alg_values_supported"]
    assert found == ["ES256", "PS256", "RS256", "Ed25519", "EdDSA"]


class TestSingleUse:
    """RFC 9101 says nothing of `jti`; RFC 7519 §4.1.7: it can be used to prevent replays."""

    def test_an_object_with_a_jti_is_answered_once(self, alices: Browser, signer: Client) -> None:
        text = sign(claims(signer, jti="once"))

        first, second = (ask(alices, signer, text, redirect_uri=CALLBACK) for _ in range(2))

        assert "code" in answer(first)
        assert answer(second)["error"] == "invalid_request_object"
        assert "code" in answer(ask(alices, signer, sign(claims(signer, jti="another"))))
        assert AuthorizationCode.unscoped.count() == 2

    def test_without_one_it_may_come_again(self, alices: Browser, signer: Client) -> None:
        text = sign(claims(signer))

        for _ in range(2):
            assert "code" in answer(ask(alices, signer, text))

    def test_it_is_used_up_where_it_is_answered_not_where_it_is_shown(
        self, alices: Browser, signer: Client
    ) -> None:
        Client.unscoped.update(is_first_party=False)
        text = sign(claims(signer, jti="once"))
        for _ in range(2):
            ask(alices, signer, text)
        assert not UsedAssertion.objects.exists()

        answers = []
        for row in AuthorizationRequest.unscoped.order_by("created_at"):
            form = {"request": str(row.id), "decision": "allow"}
            answers.append(alices.get(alices.post("/oauth/consent", form)["Location"]))

        assert "code" in answer(answers[0])
        assert answers[1].status_code in {400, 409}
        assert AuthorizationCode.unscoped.count() == 1

    def test_what_is_used_at_one_client_is_none_of_anothers(
        self, alices: Browser, acme: Organisation, signer: Client
    ) -> None:
        other = signing_client("other", acme)

        for client in (signer, other):
            assert "code" in answer(ask(alices, client, sign(claims(client, jti="once"))))

    def test_a_pushed_object_is_used_up_when_it_is_pushed(
        self, alices: Browser, signer: Client
    ) -> None:
        text = sign(claims(signer, jti="once"))

        pushed, again = push_object(signer, text), push_object(signer, text)

        assert (pushed.status, again.status) == (201, 400)
        assert again.error == "invalid_request_object"
        assert "code" in answer(open_pushed(alices, signer, pushed.json["request_uri"]))
        late = ask(alices, signer, text, redirect_uri=CALLBACK)
        assert answer(late)["error"] == "invalid_request_object"

    def test_a_client_that_changes_meanwhile_does_not_use_it_up(self, signer: Client) -> None:
        assert push_object(signer, sign(claims(signer, jti="first"))).status == 201
        Client.unscoped.filter(pk=signer.pk).update(name="Renamed", changed_at=clock.now())

        assert push_object(signer, sign(claims(signer, jti="once"))).status == 201

    def test_nor_does_one_that_was_switched_off(self, signer: Client) -> None:
        assert push_object(signer, sign(claims(signer, jti="first"))).status == 201
        Client.unscoped.filter(pk=signer.pk).update(is_active=False, changed_at=clock.now())

        assert push_object(signer, sign(claims(signer, jti="once"))).status == 401
        assert UsedAssertion.objects.count() == 1

    def test_a_refused_request_uses_nothing_up(self, alices: Browser, signer: Client) -> None:
        wrong = sign(claims(signer, jti="once", scope="openid nonsense"))

        for _ in range(2):
            assert answer(ask(alices, signer, wrong))["error"] == "invalid_scope"
        assert "code" in answer(ask(alices, signer, sign(claims(signer, jti="once"))))

    @pytest.mark.parametrize("jti", ["", 5, ["x"], "x" * 300, "\ud800", {"a": 1}, None])
    def test_what_is_no_jti_is_refused(self, alices: Browser, signer: Client, jti: Any) -> None:
        text = sign(claims(signer) | {"jti": jti})
        response = ask(alices, signer, text, redirect_uri=CALLBACK)

        assert answer(response)["error"] == "invalid_request_object"

    @pytest.mark.parametrize("exp", ["1e400", "-1e400", "NaN", "1" + "0" * 400])
    def test_an_impossible_end_is_no_fault(self, alices: Browser, signer: Client, exp: str) -> None:
        text = json.dumps(claims(signer, jti="once", exp=None))[:-1] + f', "exp": {exp}}}'

        got = answer(ask(alices, signer, sign(text), redirect_uri=CALLBACK))

        assert got["error"] == "invalid_request_object"


def test_a_post_by_reference_is_fetched_once(
    alices: Browser, acme: Organisation, elsewhere: Elsewhere
) -> None:
    address = elsewhere.url("/request.jwt")
    client = signing_client("by-reference", acme, request_uris=[address])
    elsewhere.serve(
        "/request.jwt", sign(claims(client, jti="always")).encode(), content_type="application/jwt"
    )
    form = {"client_id": client.client_id, "request_uri": address}

    for times in (1, 2):  # what stands at a registered address may be used again
        posted = Browser().post(
            "/oauth/authorize", urlencode(form), content_type="application/x-www-form-urlencoded"
        )
        assert posted.status_code == 303
        assert "code" in answer(alices.get(posted["Location"]))
        assert len(elsewhere.requests) == times
