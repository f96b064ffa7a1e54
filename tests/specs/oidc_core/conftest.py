from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import TYPES


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture(params=TYPES, ids=lambda name: name.replace(" ", "+"))
def kind(request: Any) -> str:
    """The response type that is asked for."""
    return str(request.param)


@pytest.fixture
def web(acme_web: Client) -> Client:
    """A client of acme's own, which may ask by each of them."""
    return _with_every_type(acme_web)


@pytest.fixture
def spa(acme_spa: Client) -> Client:
    """A public client, for which people are asked."""
    return _with_every_type(acme_spa)


def _with_every_type(client: Client) -> Client:
    Client.unscoped.filter(pk=client.pk).update(metadata={"response_types": TYPES})
    client.refresh_from_db()
    return client
