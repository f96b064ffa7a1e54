"""A011: consent is given by the user's own post on the page that was shown, and by nothing else."""

from django.test import Client as Browser

from idp.models import Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, nothing_was_issued, path, query


def ask(browser: Browser, client: Client) -> str:
    response = authorize(browser, client)
    assert path(response) == "/oauth/consent"
    return query(response)["id"]


def test_another_site_cannot_post_it(acme_spa: Client, employee: Person) -> None:
    victim = Browser(enforce_csrf_checks=True)
    cast.sign_in(victim, employee)
    handle = ask(victim, acme_spa)

    response = victim.post("/oauth/consent", {"request": handle, "decision": "allow"})

    assert response.status_code == 403
    assert not Consent.unscoped.exists()
    assert nothing_was_issued()


def test_a_get_never_approves(acme_spa: Client, employee: Person) -> None:
    victim = Browser()
    cast.sign_in(victim, employee)
    handle = ask(victim, acme_spa)

    victim.get("/oauth/consent", {"id": handle, "request": handle, "decision": "allow"})

    assert not Consent.unscoped.exists()
    assert nothing_was_issued()


def test_the_attackers_own_request_is_not_approved_in_the_victims_browser(
    acme_spa: Client, employee: Person, newcomer: Person
) -> None:
    attacker, victim = Browser(), Browser()
    cast.sign_in(attacker, newcomer)
    cast.sign_in(victim, employee)
    handle = ask(attacker, acme_spa)
    ask(victim, acme_spa)

    response = victim.post("/oauth/consent", {"request": handle, "decision": "allow"})

    assert response.status_code == 404
    assert not Consent.unscoped.exists()
    assert nothing_was_issued()
