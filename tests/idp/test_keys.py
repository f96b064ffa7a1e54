"""Signing keys: next → active → retiring → retired, and never two active at once."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connections, transaction
from joserfc import jwt
from joserfc.jwk import KeySet

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp import encryption_keys, keys
from idp.models import SigningKey
from protection.keyring import KeyUnavailable
from tests import cast
from tests.support import oauth
from tests.support.racing import race

State = SigningKey.State
LIFETIME, OVERLAP, LONGEST = timedelta(days=90), timedelta(days=2), timedelta(minutes=15)


def states(alg="ES256") -> list[str]:
    return sorted(SigningKey.objects.filter(alg=alg).values_list("state", flat=True))


def kid(state, alg="ES256") -> str:
    return SigningKey.objects.get(alg=alg, state=state).kid


def published() -> set[str]:
    keys.forget()
    return {key["kid"] for key in json.loads(oauth.send("GET", "/oauth/jwks").body)["keys"]}


@pytest.mark.django_db
class TestRotate:
    def test_the_first_run_makes_one_active_and_one_next_key_for_each_algorithm(self, now):
        keys.rotate(now=now)

        assert states("ES256") == states("RS256") == ["active", "next"]
        assert AuditEvent.objects.filter(event=Event.SIGNING_KEY_CREATED).count() == 6
        assert AuditEvent.objects.filter(event=Event.SIGNING_KEY_ACTIVATED).count() == 3

    def test_a_second_run_has_nothing_to_do(self, now):
        keys.rotate(now=now)

        assert keys.rotate(now=now) == []
        assert keys.rotate(now=now + LIFETIME - timedelta(seconds=1)) == []

    def test_the_next_key_is_published_before_it_is_used(self, now):
        keys.rotate(now=now)
        coming = kid(State.NEXT)

        assert coming in published()
        assert keys.signing_key("ES256").kid != coming

    def test_when_its_time_has_come_they_change_roles(self, now):
        keys.rotate(now=now)
        old, coming = kid(State.ACTIVE), kid(State.NEXT)

        keys.rotate(now=now + LIFETIME)

        assert (kid(State.RETIRING), kid(State.ACTIVE)) == (old, coming)
        assert kid(State.NEXT) not in {old, coming}
        assert {old, coming, kid(State.NEXT)} <= published()

    def test_a_key_published_too_lately_waits_for_the_overlap(self, now):
        keys.rotate(now=now)
        SigningKey.objects.filter(state=State.NEXT).delete()
        late = now + LIFETIME

        keys.rotate(now=late)
        assert "retiring" not in states()
        keys.rotate(now=late + OVERLAP - timedelta(seconds=1))
        assert "retiring" not in states()
        keys.rotate(now=late + OVERLAP)

        assert states() == ["active", "next", "retiring"]

    def test_an_old_key_goes_when_nothing_it_signed_can_be_alive(self, now):
        keys.rotate(now=now)
        old = kid(State.ACTIVE)
        changed = now + LIFETIME
        keys.rotate(now=changed)

        keys.rotate(now=changed + LONGEST + OVERLAP - timedelta(seconds=1))
        assert kid(State.RETIRING) == old
        keys.rotate(now=changed + LONGEST + OVERLAP)

        assert kid(State.RETIRED) == old
        assert old not in published()
        assert AuditEvent.objects.filter(event=Event.SIGNING_KEY_RETIRED).count() == 3

    def test_the_private_half_of_a_retired_key_is_gone(self, now):
        keys.rotate(now=now)
        keys.rotate(now=now + LIFETIME)
        assert SigningKey.objects.get(alg="ES256", state=State.RETIRING).private
        keys.rotate(now=now + LIFETIME + LONGEST + OVERLAP)

        retired = SigningKey.objects.filter(state=State.RETIRED)
        assert [key.private for key in retired] == [b"", b"", b""]
        assert all(key.public_jwk["kid"] == key.kid for key in retired)

    def test_at_once_if_it_may_have_leaked(self, now):
        keys.rotate(now=now)
        old, rsa = kid(State.ACTIVE), kid(State.ACTIVE, "RS256")

        keys.rotate_now(alg="ES256", now=now)

        assert kid(State.RETIRING) == old
        assert keys.signing_key("ES256").kid == kid(State.ACTIVE) != old
        assert kid(State.ACTIVE, "RS256") == rsa

    @pytest.mark.parametrize("state", [State.ACTIVE, State.NEXT])
    def test_the_database_refuses_two(self, now, state):
        keys.rotate(now=now)

        with pytest.raises(IntegrityError), transaction.atomic():
            SigningKey.objects.create(
                kid="another", alg="ES256", state=state, private=b"x", public_jwk={}, created_at=now
            )

    def test_no_half_of_a_rotation_stays(self, now, monkeypatch):
        keys.rotate(now=now)
        before = states()
        monkeypatch.setattr(keys, "_make", lambda *_: (_ for _ in ()).throw(ConnectionError))

        with pytest.raises(ConnectionError), transaction.atomic():
            keys.rotate(now=now + LIFETIME)

        assert states() == before

    def test_the_jwks_holds_no_private_part(self, now):
        keys.rotate(now=now)

        for key in json.loads(keys.jwks())["keys"]:
            assert key.keys() <= {"kid", "use", "alg", "kty", "crv", "x", "y", "n", "e"}
            assert key["use"] == ("enc" if key["alg"] in encryption_keys.ALGORITHMS else "sig")


@pytest.mark.django_db
class TestTokensOverAChange:
    @pytest.fixture
    def token(self, client, employee, acme_web) -> str:
        session = cast.sign_in(client, employee)
        return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

    def ask(self, token):
        return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}").status

    def test_a_retiring_key_still_verifies(self, token):
        keys.rotate_now(alg="ES256", now=clock.now())

        assert oauth.header_of(token)["kid"] == kid(State.RETIRING)
        assert self.ask(token) == 200

    def test_a_retired_key_does_not(self, token):
        keys.rotate_now(alg="ES256", now=clock.now())
        SigningKey.objects.filter(state=State.RETIRING).update(state=State.RETIRED)
        keys.forget()

        assert self.ask(token) == 401

    def test_what_is_signed_next_is_signed_by_the_new_key(self, token, acme_web, client, employee):
        keys.rotate_now(alg="ES256", now=clock.now())
        session = cast.sign_in(client, employee)
        fresh = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        assert oauth.header_of(fresh)["kid"] == kid(State.ACTIVE)
        assert self.ask(fresh) == 200

    def test_a_client_that_cached_the_keys_before_verifies_after(
        self, token, acme_web, client, employee
    ):
        cached = KeySet.import_key_set(json.loads(keys.jwks()))

        keys.rotate_now(alg="ES256", now=clock.now())
        session = cast.sign_in(client, employee)
        fresh = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        for each in (token, fresh):
            assert jwt.decode(each, cached, algorithms=["ES256"]).claims["sub"]


@pytest.mark.django_db
class TestTheCache:
    def test_it_asks_the_database_every_five_seconds(self, django_assert_num_queries, monkeypatch):
        keys.rotate(now=clock.now())
        keys.jwks()
        ring = keys._Cache.ring

        with django_assert_num_queries(0):
            keys.jwks(), keys.signing_key("ES256"), keys.verification_key("unknown")
        monkeypatch.setattr(keys.time, "monotonic", lambda: ring.loaded_at + 5)
        with django_assert_num_queries(2):  # those that sign, and those that others encrypt to
            keys.jwks()

    @pytest.mark.parametrize("away", [OperationalError, InterfaceError, KeyUnavailable])
    def test_without_the_database_public_keys_stay_known_and_nothing_is_signed(
        self, monkeypatch, away
    ):
        keys.rotate(now=clock.now())
        known, ring = keys.jwks(), keys._Cache.ring
        monkeypatch.setattr(keys.time, "monotonic", lambda: ring.loaded_at + 3600)
        monkeypatch.setattr(keys, "_published", lambda: (_ for _ in ()).throw(away))

        assert keys.jwks() == known
        assert oauth.send("GET", "/oauth/jwks").status == 200
        with pytest.raises(away):
            keys.signing_key("ES256")

    def test_a_process_that_never_knew_them_says_so(self, monkeypatch):
        keys.forget()
        monkeypatch.setattr(keys, "_published", lambda: (_ for _ in ()).throw(OperationalError))

        assert oauth.send("GET", "/oauth/jwks").status == 503

    def test_a_key_whose_encryption_key_is_gone_signs_nothing(self, settings):
        from protection import keyring

        keys.rotate(now=clock.now())
        settings.KEY_ENCRYPTION_KEYS = {"k9": b"9" * 32}
        keyring.forget()
        keys.forget()

        with pytest.raises(KeyUnavailable):
            keys.signing_key("ES256")


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_four_processes_that_find_no_key_make_one(self):
        made = race(lambda _: keys.signing_key("ES256").kid, runners=4)

        assert len(set(made)) == 1
        assert states() == ["active", "next"]

    def test_four_rotations_change_the_key_once(self):
        now = clock.now()
        keys.rotate(now=now)
        old = kid(State.ACTIVE)

        changed = race(lambda _: keys.rotate(now=now + LIFETIME), runners=4)

        assert sorted(bool(kids) for kids in changed) == [False, False, False, True]
        assert states() == states("RS256") == ["active", "next", "retiring"]
        assert kid(State.RETIRING) == old

    def test_one_that_dies_in_the_middle_holds_nobody_up(self):
        now = clock.now()
        keys.rotate(now=now)

        def die(number):
            try:
                with transaction.atomic():
                    keys._lock()
                    SigningKey.objects.filter(state=State.ACTIVE).update(state=State.RETIRING)
                    raise ConnectionError
            except ConnectionError:
                connections["default"].close()

        race(die, runners=1)

        assert keys.rotate(now=now) == []
        assert states() == ["active", "next"]


def test_the_schedule_rotates_them():
    from config.celery import app

    tasks = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "idp.tasks.rotate_signing_keys" in tasks
