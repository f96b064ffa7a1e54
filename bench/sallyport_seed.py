"""Make the organisation, person, live session and clients that the benchmark asks with.

Runs once, in a process of its own with the product's settings: `python -m bench.sallyport_seed`.
Prints JSON; secrets go through the pipe to the benchmark and nowhere else.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from django.db import transaction  # noqa: E402

from accounts.models import Organisation, User  # noqa: E402
from bench.load import REDIRECT_URI  # noqa: E402
from core import clock  # noqa: E402
from core.assurance import Assurance, Level  # noqa: E402
from core.ids import digest, new_token  # noqa: E402
from idp.models import Client  # noqa: E402
from protection import keyring  # noqa: E402
from sessions.flows import start_session  # noqa: E402

GRANT_TYPES = ["authorization_code", "refresh_token", "client_credentials"]
SCOPES = ["openid", "profile", "email", "roles", "offline_access"]


@transaction.atomic
def seed() -> dict[str, object]:
    now = clock.now()
    organisation = Organisation.objects.create(slug="bench", name="Bench", created_at=now)
    user = User.objects.create_user(
        email="bench@example.com",
        organisation=organisation,
        now=now,
        password=new_token(),
        name="Bench",
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    session = start_session(
        user=user,
        session_key=new_token(),
        assurance=Assurance(Level.AAL2, ("pwd", "otp", "mfa"), now),
        device=None,
        address="127.0.0.1",
        user_agent="bench",
        now=now,
    )
    keyring.active_key(organisation.id)  # As in any organisation whose people have a factor.
    clients = {}
    for algorithm in ("ES256", "RS256"):
        secret = new_token()
        client = Client.objects.create(
            client_id=f"bench-{algorithm.lower()}",
            organisation=organisation,
            name=f"Bench {algorithm}",
            kind="confidential",
            secret_digest=digest(secret),
            redirect_uris=[REDIRECT_URI],
            grant_types=GRANT_TYPES,
            scopes=SCOPES,
            token_endpoint_auth_method="client_secret_basic",
            signing_alg=algorithm,
            is_first_party=True,
            created_at=now,
            changed_at=now,
        )
        clients[algorithm] = {"id": str(client.id), "name": client.client_id, "secret": secret}
    return {
        "organisation": str(organisation.id),
        "user": str(user.id),
        "session": str(session.id),
        "clients": clients,
    }


if __name__ == "__main__":
    json.dump(seed(), sys.stdout)
