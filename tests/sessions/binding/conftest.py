"""Bound sessions are tested over TLS, as they are used: cookies have their prefix and flags."""

from collections.abc import Iterator

import pytest
from django.test import Client as Browser

from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import over_tls
from tests.support.bound import Dbsc, WebCrypto


@pytest.fixture(autouse=True)
def _over_tls(db: None) -> Iterator[None]:
    with over_tls.spoken():
        yield


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def firefox(client: Browser, session: LoginSession) -> WebCrypto:
    """A browser without DBSC, whose session is bound by the script."""
    browser = WebCrypto(client)
    assert browser.register().status_code == 200
    return browser


@pytest.fixture
def chromium(client: Browser, session: LoginSession) -> Dbsc:
    browser = Dbsc(client)
    assert browser.register(client.get("/sessions/")).status_code == 200
    return browser
