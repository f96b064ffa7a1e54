import pytest

from tests import cast
from tests.cast import Person
from tests.support.api import Api


@pytest.fixture
def bob(approver) -> Api:
    """Calls of an administrator of acme."""
    return Api.of(approver)


@pytest.fixture
def carol(globex) -> Api:
    """Calls of an administrator of globex."""
    person: Person = cast.person("carla@globex.example", globex, totp=True, is_staff=True)
    return Api.of(person)
