"""Drives token exchange (RFC 8693): an API that goes on to another in a person's name."""

from typing import Any

from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client
from idp.models.client import TOKEN_EXCHANGE
from tests import cast
from tests.cast import Person
from tests.support import oauth

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
LEDGER = "https://ledger.example"
ARCHIVE = "https://archive.example"


def api(of: Organisation, name: str, **fields: Any) -> Client:
    """A confidential client that exchanges tokens, for calls to the ledger and the archive."""
    values: dict[str, Any] = {
        "grant_types": ["client_credentials", TOKEN_EXCHANGE],
        "scopes": ["openid", "profile", "email", "vault"],
        "audience": LEDGER,
        "metadata": {"resources": [ARCHIVE]},
        "redirect_uris": [],
    }
    return cast.client(name, of, **(values | fields))


def exchange(
    client: Client, subject: str | None, *, actor: str | None = None, **changes: Any
) -> oauth.Reply:
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": subject,
        "subject_token_type": ACCESS_TOKEN,
    }
    if actor is not None:
        form |= {"actor_token": actor, "actor_token_type": ACCESS_TOKEN}
    return oauth.token(client, form | changes)


def token_for(gateway: Client, browser: Browser, who: Person) -> str:
    """An access token of a person that another client calls the gateway with."""
    caller = cast.client(
        "acme-caller", gateway.organisation, audience=gateway.client_id, is_first_party=True
    )
    session = cast.sign_in(browser, who)
    code = oauth.issue_code(caller, session, scope="openid profile email roles")
    return str(oauth.redeem(caller, code).json["access_token"])


def introspect(client: Client, token: str) -> dict[str, Any]:
    return oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": token},
        authorization=oauth.basic(client.client_id),
    ).json
