"""A079: the cookie from before signing in is worth nothing afterwards."""

from django.conf import settings
from django.test import Client as Browser

from idp.models import Client
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued, query


def test_a_fixed_cookie_follows_nobody_in(acme_web: Client, newcomer: Person) -> None:
    victim, attacker = Browser(), Browser()
    location = authorize(attacker, acme_web)
    fixed = attacker.cookies[settings.SESSION_COOKIE_NAME].value
    victim.cookies[settings.SESSION_COOKIE_NAME] = fixed

    victim.post(location["Location"], {"login": newcomer.email, "password": newcomer.password})

    assert victim.cookies[settings.SESSION_COOKIE_NAME].value != fixed
    resumed = attacker.get(query(location)["next"])
    assert resumed.status_code == 404
    assert answer(authorize(attacker, acme_web, prompt="none"))["error"] == "login_required"
    assert nothing_was_issued()
