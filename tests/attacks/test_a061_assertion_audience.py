"""A061: an assertion that was made for somebody else, or that somebody else could use."""

import pytest

from audit.models import AuditEvent
from idp.models.assertion import UsedAssertion
from tests.support import assertions
from tests.support.assertions import ISSUER, TOKEN_URL, claims, present, sign

pytestmark = pytest.mark.django_db
FOREIGN = [
    "https://other.example",
    "https://other.example/oauth/token",
    f"{ISSUER}.other.example",
    f"{ISSUER}/",
    f"{ISSUER}@other.example",
    f"https://other.example?{ISSUER}",
    ["https://other.example"],
    None,
]


def nothing_happened(reply) -> None:
    assert (reply.status, reply.error) == (401, "invalid_client")
    assert UsedAssertion.objects.count() == 0
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()


@pytest.mark.parametrize("profile", ["", "fapi2"])
@pytest.mark.parametrize("aud", FOREIGN)
def test_an_assertion_for_somebody_else_is_refused(acme, aud, profile):
    assertions.client(acme, security_profile=profile)

    nothing_happened(present(sign(claims(aud=aud))))


@pytest.mark.parametrize("aud", [TOKEN_URL, [ISSUER], [ISSUER, "https://other.example"]])
def test_under_fapi2_so_is_one_that_others_could_have_asked_for(acme, aud):
    assertions.client(acme, security_profile="fapi2")

    nothing_happened(present(sign(claims(aud=aud))))
