import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from tests import cast
from tests.cast import Person


@pytest.fixture(autouse=True)
def _open(settings, acme: Organisation) -> None:
    settings.CLIENT_DOCUMENTS_ORGANISATION = "acme"
    settings.CLIENT_DOCUMENTS_HOSTS = ["*"]


@pytest.fixture
def alice(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser
