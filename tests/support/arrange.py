"""Arranges people, applications and sessions inside a running instance, at the instance's own time.

    made = arrange(instance, "signed_in", email="alice@acme.example")
    made["cookie"], made["codes"], made["tokens"]

They run with the instance's settings, so a moved clock moves what they make as well.
"""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.instance import Instance


def arrange(instance: "Instance", what: str, **values: Any) -> Any:
    """Run one of the functions below inside the instance; gives what it returned."""
    script = (
        "import json; from tests.support import arrange; "
        f"print(json.dumps(arrange.{what}(**{values!r})))"
    )
    return json.loads(instance.inside(script).splitlines()[-1])


def signed_in(
    email: str, role: str = "", role_hours: float = 0, codes: int = 1, families: int = 1
) -> dict[str, Any]:
    """Somebody of acme who is signed in, with unused codes and refresh families of acme-web."""
    from datetime import timedelta

    from django.conf import settings
    from django.test import Client as Browser

    from accounts import flows
    from accounts.models import User
    from core import clock
    from idp.models import Client
    from tests import cast
    from tests.support import oauth

    acme = cast.organisation("acme")
    found = User.unscoped.filter(email=email).first()
    person = cast.Person(found, cast.PASSWORD) if found else cast.person(email, acme)
    application = Client.unscoped.filter(client_id="acme-web").first()
    if application is None:
        application = cast.client("acme-web", acme, is_first_party=True)
    if role:
        flows.assign_role(
            user=person.user,
            role=flows.create_role(organisation=acme, name=role, now=clock.now()),
            now=clock.now(),
            ends_at=clock.now() + timedelta(hours=role_hours),
        )
    browser = Browser()
    session = cast.sign_in(browser, person)
    scope = "openid roles"
    return {
        "cookie": browser.cookies[settings.SESSION_COOKIE_NAME].value,
        "codes": [oauth.issue_code(application, session, scope=scope) for _ in range(codes)],
        "tokens": [
            oauth.redeem(application, oauth.issue_code(application, session, scope=scope)).json
            for _ in range(families)
        ],
    }


def invited(email: str) -> str:
    """The path of an invitation's link."""
    from urllib.parse import urlsplit

    from accounts import flows
    from core import clock
    from tests import cast

    _, link = flows.invite(organisation=cast.organisation("acme"), email=email, now=clock.now())
    return urlsplit(link).path


def locked_out(email: str) -> None:
    """An account whose guesses of this quarter of an hour are used up."""
    from accounts import budget
    from core import clock
    from tests import cast

    cast.person(email, cast.organisation("acme"))
    for _ in range(budget.WINDOW_FAILURES):
        budget.spend(email, now=clock.now())
