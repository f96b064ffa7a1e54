"""A060: a client assertion is shown again, at once from many sides, or after a restart."""

import pytest

from audit.models import AuditEvent
from idp.clients import authentication, public_keys
from idp.models.assertion import UsedAssertion
from tests.support import assertions
from tests.support.assertions import claims, present, sign
from tests.support.racing import race


@pytest.fixture
def assertion():
    return sign(claims())


def issued() -> int:
    return AuditEvent.objects.filter(event="idp.token.issued").count()


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_one_wins(acme, assertion):
    assertions.client(acme)

    replies = race(lambda _: present(assertion), runners=50)

    assert sorted(reply.status for reply in replies) == [200] + [401] * 49
    assert {reply.error for reply in replies if reply.status == 401} == {"invalid_client"}
    assert issued() == 1
    assert AuditEvent.objects.filter(event="idp.client.assertion_replayed").count() == 49


@pytest.mark.django_db
def test_a_restart_forgets_nothing(acme, assertion):
    assertions.client(acme)
    assert present(assertion).status == 200
    authentication.forget()
    public_keys.forget()

    assert present(assertion).error == "invalid_client"
    assert issued() == 1
    assert UsedAssertion.objects.count() == 1


@pytest.mark.django_db
def test_a_refused_request_has_used_its_assertion_as_well(acme, assertion):
    assertions.client(acme)

    assert present(assertion, scope="of-nobody").error == "invalid_scope"
    assert present(assertion).error == "invalid_client"
    assert issued() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_nor_is_it_good_at_another_endpoint(acme, assertion, path):
    assertions.client(acme)
    assert present(assertion).status == 200

    assert present(assertion, path).error == "invalid_client"


@pytest.mark.django_db
def test_the_same_jti_under_another_signature_is_a_replay(acme):
    assertions.client(acme)

    assert present(sign(claims(jti="once"))).status == 200
    assert present(sign(claims(jti="once", exp=claims()["exp"] + 5))).error == "invalid_client"
