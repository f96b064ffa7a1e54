"""Make the people of `bench.approvals`: fifty who may approve, a few who ask, and a code for each.

Runs in the product's environment just before, since approving needs a sign-in of the last minutes:
`python -m bench.approvals_seed`. Prints JSON, through the pipe to the benchmark.
"""

import json
import os
import sys
from datetime import datetime, timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from django.db import transaction  # noqa: E402

from access import flows as access  # noqa: E402
from access.offers import ApproverLine, Offer, StageLine  # noqa: E402
from accounts import flows  # noqa: E402
from accounts.models import Organisation, User  # noqa: E402
from bench.approvals import APPROVERS, ENTITLEMENT, ROUNDS  # noqa: E402
from bench.load import REDIRECT_URI, challenge  # noqa: E402
from core import clock  # noqa: E402
from core.assurance import Assurance, Level  # noqa: E402
from core.ids import digest, new_token  # noqa: E402
from idp.machine import protected_resource  # noqa: E402
from idp.models import AuthorizationCode, Client  # noqa: E402
from idp.models.client import ACCESS  # noqa: E402
from sessions.flows import start_session  # noqa: E402


@transaction.atomic
def seed() -> dict[str, object]:
    now = clock.now()
    organisation = Organisation.objects.create(slug="approvals", name="Approvals", created_at=now)
    approvers = [_person(organisation, f"approver-{n}", now) for n in range(APPROVERS)]
    askers = [_person(organisation, f"asker-{n}", now) for n in range(ROUNDS)]
    crew = flows.create_group(organisation=organisation, name="approvers", now=now)
    for person in approvers:
        flows.add_group_member(group=crew, user=person, now=now)
    offered = access.create_entitlement(
        organisation=organisation,
        name=ENTITLEMENT,
        offer=Offer(
            roles=[flows.create_role(organisation=organisation, name="db-admin", now=now)],
            stages=[StageLine([ApproverLine(group=crew)])],
            max_duration=timedelta(hours=1),
        ),
        now=now,
    )
    for person in askers:
        access.add_eligibility(entitlement=offered, user=person, now=now)
    client = Client.objects.create(
        client_id="bench-access",
        organisation=organisation,
        name="Bench access",
        kind="public",
        redirect_uris=[REDIRECT_URI],
        grant_types=["authorization_code"],
        scopes=[ACCESS],
        audience=protected_resource.api(),
        token_endpoint_auth_method="none",
        is_first_party=True,
        created_at=now,
        changed_at=now,
    )
    return {
        "client": client.client_id,
        "approvers": [_code(client, person, now) for person in approvers],
        "askers": [_code(client, person, now) for person in askers],
    }


def _person(organisation: Organisation, name: str, now: datetime) -> User:
    person = User(email=f"{name}@example.com", organisation=organisation, name=name, created_at=now)
    person.set_unusable_password()
    person.save()
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def _code(client: Client, person: User, now: datetime) -> str:
    """A code of a sign-in of this moment."""
    session = start_session(
        user=person,
        session_key=new_token(),
        assurance=Assurance(Level.AAL2, ("pwd", "otp", "mfa"), now),
        browser=None,
        address="127.0.0.1",
        user_agent="bench",
        now=now,
    )
    code = new_token()
    AuthorizationCode.objects.create(
        digest=digest(code),
        organisation=client.organisation,
        client=client,
        user=person,
        session=session,
        redirect_uri=REDIRECT_URI,
        challenge=challenge(),
        scope=ACCESS,
        created_at=now,
        expires_at=now + timedelta(minutes=2),
    )
    return code


if __name__ == "__main__":
    json.dump(seed(), sys.stdout)
