"""The `claims` parameter: what is kept of it, and what is refused."""

import pytest

from core.errors import Refusal
from idp.requests.claims_request import acr_values, parse, scopes_of, subject_of

SCOPES = ("openid", "profile", "email")


def test_what_is_out_of_reach_or_unknown_is_left_out() -> None:
    text = '{"userinfo": {"email": null, "phone_number": null, "shoe_size": null}, "x": {}}'

    assert parse(text, scopes=SCOPES) == {"userinfo": {"email": None}}


def test_unknown_members_of_one_claim_are_left_out() -> None:
    text = '{"id_token": {"acr": {"essential": true, "values": ["aal2", 7], "x": 1}}}'

    asked = parse(text, scopes=SCOPES)

    assert asked == {"id_token": {"acr": {"essential": True, "values": ["aal2"]}}}


@pytest.mark.parametrize("text", ["{}", '{"id_token": null}', '{"id_token": {}}'])
def test_asking_for_nothing_is_nothing(text: str) -> None:
    assert parse(text, scopes=SCOPES) == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", '{"id_token": []}', '{"id_token": {"email": true}}',
        '{"id_token": {"acr": {"values": "aal2"}}}', '{"id_token": {}, "id_token": {}}',
        '{"userinfo": {' + ", ".join(f'"c{i}": null' for i in range(51)) + "}}",
    ],
    ids=[
        "empty", "list", "null", "torn", "member-list", "claim-true", "values-text", "twice",
        "too-many",
    ],
)  # fmt: skip
def test_another_shape_is_an_invalid_request(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(text, scopes=SCOPES)

    assert refused.value.code == "invalid_request"


def test_two_different_subjects_are_nobodys() -> None:
    one, other = {"sub": {"value": "a"}}, {"sub": {"value": "b"}}

    assert subject_of({"id_token": one}) == "a"
    assert subject_of({"id_token": one, "userinfo": one}) == "a"
    assert subject_of({"id_token": one, "userinfo": other}) == ""
    assert subject_of({"id_token": {"sub": None}}) is None


def test_an_acr_is_demanded_or_wished_for_never_both() -> None:
    demanded = {"id_token": {"acr": {"essential": True, "value": "aal2"}}}

    assert acr_values(demanded, essential=True) == ("aal2",)
    assert acr_values(demanded, essential=False) == ()
    assert acr_values({"userinfo": demanded["id_token"]}, essential=True) == ()


def test_the_user_allows_the_scopes_that_would_give_it() -> None:
    assert scopes_of({"id_token": {"email": None, "acr": None}}) == {"email"}
