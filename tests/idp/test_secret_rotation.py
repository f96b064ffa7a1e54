"""Two live secrets while one is rotated, and what a change of method leaves of them."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp.clients import authentication
from idp.flows import register_client, rotate_client_secret, update_client
from tests import cast
from tests.support import assertions, oauth

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def ask(secret=cast.SECRET):
    authentication.forget()
    return oauth.send(
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials"},
        authorization=oauth.basic("acme-machine", secret),
    ).status


def test_the_old_secret_stays_good_beside_the_new_one_until_it_ends(acme_machine, later):
    registered = rotate_client_secret(client=acme_machine, now=clock.now(), keep_old_for=DAY)

    assert (ask(), ask(registered.secret)) == (200, 200)
    later(hours=23)
    assert ask() == 200
    later(hours=2)
    assert (ask(), ask(registered.secret)) == (401, 200)
    event = AuditEvent.objects.get(event="idp.client.secret_rotated")
    assert event.facts["previous_until"] is not None


def test_the_one_before_ends_with_the_next_rotation(acme_machine):
    first = rotate_client_secret(client=acme_machine, now=clock.now(), keep_old_for=DAY)
    second = rotate_client_secret(client=acme_machine, now=clock.now(), keep_old_for=DAY)

    assert [ask(), ask(first.secret), ask(second.secret)] == [401, 200, 200]
    third = rotate_client_secret(client=acme_machine, now=clock.now())
    assert [ask(first.secret), ask(second.secret), ask(third.secret)] == [401, 401, 200]


@pytest.mark.parametrize("keep", [timedelta(seconds=-1), timedelta(days=31)])
def test_it_is_kept_for_thirty_days_at_most(acme_machine, keep):
    with pytest.raises(Refusal):
        rotate_client_secret(client=acme_machine, now=clock.now(), keep_old_for=keep)


def test_the_command_offers_it(acme_machine, capsys):
    call_command("rotate_client_secret", "acme-machine", "--keep-old-for", "24")

    assert ask() == 200
    assert ask(capsys.readouterr().out.split()[1]) == 200


def test_a_change_to_keys_drops_the_secret(acme_machine):
    update_client(
        client=acme_machine,
        now=clock.now(),
        token_endpoint_auth_method="private_key_jwt",
        metadata={"jwks": assertions.jwks(assertions.ec_key())},
    )

    acme_machine.refresh_from_db()
    assert acme_machine.secret_digest is None
    assert ask() == 401
    with pytest.raises(Refusal):
        update_client(
            client=acme_machine, now=clock.now(), token_endpoint_auth_method="client_secret_basic"
        )


@pytest.mark.parametrize(
    ("method", "metadata", "is_good"),
    [
        ("private_key_jwt", {}, False),
        ("private_key_jwt", {"jwks_uri": "https://app.acme.example/jwks"}, True),
        ("private_key_jwt", {"jwks": assertions.jwks(assertions.ec_key())}, True),
        (
            "private_key_jwt",
            {
                "jwks": assertions.jwks(assertions.ec_key()),
                "jwks_uri": "https://app.acme.example/jwks",
            },
            False,
        ),
        (
            "private_key_jwt",
            {
                "jwks": assertions.jwks(assertions.ec_key()),
                "token_endpoint_auth_signing_alg": "HS256",
            },
            False,
        ),
        ("client_secret_jwt", {"token_endpoint_auth_signing_alg": "HS256"}, True),
        ("client_secret_jwt", {"token_endpoint_auth_signing_alg": "ES256"}, False),
        ("self_signed_tls_client_auth", {}, False),
        ("tls_client_auth", {}, False),
        ("tls_client_auth", {"tls_client_auth_subject_dn": "CN=a"}, True),
        ("tls_client_auth", {"tls_client_auth_subject_dn": "a"}, False),
        ("tls_client_auth", {"tls_client_auth_san_ip": "a"}, False),
        (
            "tls_client_auth",
            {"tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_dns": "a"},
            False,
        ),
        ("client_secret_basic", {"tls_client_auth_subject_dn": "CN=a"}, False),
    ],
)
def test_what_is_registered_fits_the_method(acme, now, method, metadata, is_good):
    def register():
        return register_client(
            organisation=acme,
            name="New",
            kind="confidential",
            token_endpoint_auth_method=method,
            metadata=metadata,
            now=now,
            **assertions.MACHINE,
        )

    if is_good:
        assert register().client.token_endpoint_auth_method == method
        return
    with pytest.raises(Refusal) as refused:
        register()
    assert refused.value.code == "invalid_client_metadata"
