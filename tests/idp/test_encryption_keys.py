"""The keys that others encrypt to: published, then replaced, then retired."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.events import Event
from audit.models import AuditEvent
from idp import encryption_keys, keys
from idp.models import EncryptionKey
from tests.support import oauth
from tests.support.racing import race
from tests.support.request_objects import claims, encrypt, published, sign, signing_client

LIFETIME, OVERLAP = timedelta(days=90), timedelta(days=2)
SECOND = timedelta(seconds=1)


def good(now) -> set[str]:
    """The kids that open something."""
    ours = EncryptionKey.objects.filter(retired_at=None)
    return {row.kid for row in ours if encryption_keys.opening(alg=row.alg, kid=row.kid, now=now)}


def written(event) -> int:
    return AuditEvent.objects.filter(event=event).count()


@pytest.mark.django_db
class TestRotate:
    def test_the_first_run_makes_one_for_each_algorithm(self, now):
        keys.rotate(now=now)

        assert sorted(EncryptionKey.objects.values_list("alg", flat=True)) == [
            "ECDH-ES+A256KW", "RSA-OAEP-256",
        ]  # fmt: skip
        assert written(Event.ENCRYPTION_KEY_CREATED) == 2

    def test_until_its_time_has_come_it_stays(self, now):
        keys.rotate(now=now)
        before = published()

        assert keys.rotate(now=now + LIFETIME - SECOND) == []
        assert published() == before

    def test_then_the_next_is_published_alone_and_both_open(self, now):
        keys.rotate(now=now)
        before = published()["kid"]

        keys.rotate(now=now + LIFETIME)

        assert published()["kid"] != before
        assert len(good(now + LIFETIME)) == 4
        assert before in good(now + LIFETIME + OVERLAP - SECOND)

    def test_after_the_overlap_only_the_new_one_opens_whoever_works(self, now):
        keys.rotate(now=now)
        before = published()["kid"]
        keys.rotate(now=now + LIFETIME)

        assert before not in good(now + LIFETIME + OVERLAP)
        assert len(good(now + LIFETIME + OVERLAP)) == 2

    def test_and_the_private_half_of_the_old_one_is_deleted(self, now):
        keys.rotate(now=now)
        keys.rotate(now=now + LIFETIME)

        keys.rotate(now=now + LIFETIME + OVERLAP)

        for old in EncryptionKey.objects.filter(replaced_at__isnull=False):
            assert (bytes(old.private), old.retired_at) == (b"", now + LIFETIME + OVERLAP)
        assert written(Event.ENCRYPTION_KEY_RETIRED) == 2

    def test_leaked_ones_are_gone_at_once(self, now):
        keys.rotate(now=now)
        before = set(EncryptionKey.objects.values_list("kid", flat=True))

        keys.replace_encryption_keys(now=now + SECOND)

        assert not before & good(now + SECOND)
        assert len(good(now + SECOND)) == 2
        assert EncryptionKey.objects.filter(kid__in=before, retired_at=None).count() == 0

    def test_the_database_lets_one_key_of_an_algorithm_be_published(self, now):
        keys.rotate(now=now)
        mine = {"alg": "RSA-OAEP-256", "private": b"x", "public_jwk": {}, "created_at": now}

        with pytest.raises(IntegrityError), transaction.atomic():
            EncryptionKey.objects.create(kid="another", **mine)


@pytest.mark.django_db
class TestAtRest:
    def test_private_halves_are_sealed_and_never_published(self, now):
        keys.rotate(now=now)

        for row in EncryptionKey.objects.all():
            opened = bytes(row.private)
            raw = (
                EncryptionKey.objects.filter(pk=row.pk)
                .extra(select={"raw": "private"})
                .values_list("raw", flat=True)
            )
            assert bytes(raw[0]) != opened
            assert opened[10:40] not in bytes(raw[0])
            assert row.public_jwk.keys() <= {"kid", "use", "alg", "kty", "crv", "x", "y", "n", "e"}


@pytest.mark.django_db
class TestPublished:
    def test_the_key_set_makes_them_when_nobody_has_yet(self):
        listed = json.loads(oauth.send("GET", "/oauth/jwks").body)["keys"]

        assert sorted(key["alg"] for key in listed if key["use"] == "enc") == [
            "ECDH-ES+A256KW", "RSA-OAEP-256",
        ]  # fmt: skip

    def test_they_verify_nothing(self, now):
        keys.rotate(now=now)

        assert keys.verification_key(published()["kid"]) is None


@pytest.mark.django_db
class TestStatements:
    """What a request costs the database, once everything is warm."""

    def test_key_set_and_discovery_ask_nothing(self, statements, django_assert_num_queries):
        oauth.send("GET", "/oauth/jwks")
        statements.clear()

        with django_assert_num_queries(0):
            assert oauth.send("GET", "/oauth/jwks").status == 200
            assert oauth.send("GET", "/.well-known/openid-configuration").status == 200
        assert statements == []

    def test_only_what_is_encrypted_asks_for_a_key(
        self, acme, statements, django_assert_num_queries
    ):
        client = signing_client("signer", acme)

        def push(text):
            authorization = oauth.basic("signer")
            form = {"request": text}
            assert (
                oauth.send("POST", "/oauth/par", form=form, authorization=authorization).status
                == 201
            )

        push(encrypt(sign(claims(client))))
        statements.clear()
        with django_assert_num_queries(0):
            push(sign(claims(client)))
        assert len(statements) == 1
        with django_assert_num_queries(1):
            push(encrypt(sign(claims(client))))


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_make_one_set():
    race(lambda _: (keys.forget(), keys.jwks()), runners=6)

    assert EncryptionKey.objects.count() == 2
