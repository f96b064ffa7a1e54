"""What attacks start from: a victim who is signed in and has tokens."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def code(acme_web: Client, session: LoginSession) -> str:
    return oauth.issue_code(acme_web, session)


@pytest.fixture
def tokens(acme_web: Client, code: str) -> dict:
    return oauth.redeem(acme_web, code).json
