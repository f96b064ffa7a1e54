"""A007: redirect_uri is mandatory, even where one alone is registered."""

from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, is_error_page, nothing_was_issued
from tests.support.oauth import redeem


def test_without_it_there_is_no_code(acme_web: Client, employee: Person) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)

    assert is_error_page(authorize(attacker, acme_web, redirect_uri=None))
    assert nothing_was_issued()


def test_another_one_at_the_token_endpoint_gets_nothing(acme_web: Client, employee: Person) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)
    code = answer(authorize(attacker, acme_web))["code"]

    reply = redeem(acme_web, code, redirect_uri="https://evil.example/callback")

    assert reply.error == "invalid_grant"
