import pytest

from access.models import Entitlement, Grant
from sessions.models import LoginSession
from tests import cast
from tests.support import access


@pytest.fixture
def lead(acme):
    """Lena of acme, who may approve what the approver may."""
    return cast.person("lena@acme.example", acme, name="Lena Lund", totp=True)


@pytest.fixture
def session(employee) -> LoginSession:
    return access.session_of(employee)


@pytest.fixture
def entitlement(acme, employee, approver) -> Entitlement:
    """The employee may ask for db-admin; the approver answers."""
    return access.entitlement(acme, by=[approver], eligible=[employee])


@pytest.fixture
def request_(entitlement, employee, session) -> Grant:
    return access.ask(entitlement, employee, session, reason="to mend it")


@pytest.fixture
def scheduled(request_, approver) -> Grant:
    return access.approve(request_, approver)


@pytest.fixture
def active(scheduled, employee, session) -> Grant:
    return access.activate(scheduled, employee, session)
