"""Stories run with real commits: what happens on commit is part of them."""

import pytest

from accounts.models import Organisation
from idp.models import Client
from tests import cast
from tests.journeys.visitor import Visitor


@pytest.fixture(autouse=True)
def _real_commits(transactional_db: None) -> None:
    pass


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
def notes(acme: Organisation) -> Client:
    """A confidential application of a third party: people are asked, tokens can be looked up."""
    return cast.client("acme-notes", acme)
