import pytest
from django.test import Client as Browser

from tests import cast


@pytest.fixture
def hers(employee) -> Browser:
    """Of the employee, who has just signed in by two factors."""
    mine = Browser()
    cast.sign_in(mine, employee)
    return mine


@pytest.fixture
def theirs(approver) -> Browser:
    """Of the approver."""
    other = Browser()
    cast.sign_in(other, approver)
    return other
