"""Keys change while values stay readable, and a key that is gone opens nothing."""

import os

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from protection import envelope, flows, keyring
from protection.keyring import KeyUnavailable
from protection.models import DataKey
from tests.support.racing import race

HERE = "a.Row|column|1"
OLD, NEW = {"k1": os.urandom(32)}, {"k2": os.urandom(32)}


@pytest.fixture
def keks(settings):
    """Configure the key-encryption keys anew, as a restarted process would see them."""

    def configure(keys):
        settings.KEY_ENCRYPTION_KEYS = keys
        keyring.forget()

    configure(OLD)
    return configure


def seal(organisation, value=b"secret"):
    return envelope.seal(value, organisation_id=organisation.id, context=HERE)


def unseal(sealed):
    return envelope.unseal(sealed, context=HERE)


@pytest.mark.django_db
class TestRotateDataKey:
    def test_the_new_key_seals_and_the_old_one_still_unseals(
        self, acme, now, django_capture_on_commit_callbacks
    ):
        before = seal(acme)

        with django_capture_on_commit_callbacks(execute=True):
            flows.rotate_data_key(organisation_id=acme.id, now=now)
        after = seal(acme)

        assert envelope.key_id_of(before) != envelope.key_id_of(after)
        assert (unseal(before), unseal(after)) == (b"secret", b"secret")
        old, new = DataKey.objects.filter(organisation_id=acme.id).order_by("version")
        assert (old.version, old.is_active, old.retired_at) == (1, False, now)
        assert (new.version, new.is_active, new.retired_at) == (2, True, None)

    def test_it_makes_the_first_key_where_there_is_none(self, acme, now):
        assert flows.rotate_data_key(organisation_id=acme.id, now=now).version == 1

    def test_other_organisations_keep_theirs(self, acme, globex, now):
        seal(globex)

        flows.rotate_data_key(organisation_id=acme.id, now=now)

        assert DataKey.objects.get(organisation_id=globex.id).is_active

    def test_audit_is_told_inside_the_transaction(self, acme, now):
        seal(acme)
        flows.rotate_data_key(organisation_id=acme.id, now=now)

        events = AuditEvent.objects.filter(event=Event.DATA_KEY_CHANGED, organisation_id=acme.id)
        told = {event.facts["change"]: event.facts["version"] for event in events}
        assert told == {"created": 1, "rotated": 2}

    def test_if_audit_cannot_write_no_key_changes(self, acme, now, monkeypatch):
        seal(acme)
        monkeypatch.setattr(
            "audit.receivers.record", lambda *_, **__: pytest.fail("x", pytrace=False)
        )

        with pytest.raises(pytest.fail.Exception), transaction.atomic():
            flows.rotate_data_key(organisation_id=acme.id, now=now)

        assert DataKey.objects.get(organisation_id=acme.id).version == 1

    def test_the_database_refuses_a_second_active_key(self, acme, now):
        seal(acme)

        with pytest.raises(IntegrityError), transaction.atomic():
            keyring.new_data_key(acme.id, 2, now).save(force_insert=True)

    @pytest.mark.parametrize("organisation", [None])
    def test_nor_for_the_installation_itself(self, organisation, now):
        envelope.seal(b"x", organisation_id=organisation, context=HERE)

        with pytest.raises(IntegrityError), transaction.atomic():
            keyring.new_data_key(organisation, 2, now).save(force_insert=True)


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_key_that_was_rolled_back_seals_nothing_afterwards(self, acme):
        with pytest.raises(ConnectionError), transaction.atomic():
            seal(acme)
            seal(acme)
            raise ConnectionError

        sealed = seal(acme)
        keyring.forget()

        assert unseal(sealed) == b"secret"

    def test_nor_does_one_of_a_part_that_was_rolled_back(self, acme):
        with transaction.atomic():
            with pytest.raises(ConnectionError), transaction.atomic():
                seal(acme)
                seal(acme)
                raise ConnectionError
            sealed = seal(acme)

        keyring.forget()

        assert unseal(sealed) == b"secret"

    def test_nor_does_one_that_was_to_follow_it(self, acme, now):
        seal(acme)
        with pytest.raises(ConnectionError), transaction.atomic():
            flows.rotate_data_key(organisation_id=acme.id, now=now)
            keyring.forget()
            seal(acme)
            raise ConnectionError

        sealed = seal(acme)
        keyring.forget()

        assert unseal(sealed) == b"secret"

    def test_a_key_that_is_committed_is_remembered(self, acme, django_assert_num_queries):
        with transaction.atomic():
            seal(acme)
        seal(acme)

        with django_assert_num_queries(0):
            seal(acme)

    def test_of_two_rotations_at_once_both_are_made(self, acme):
        seal(acme)

        made = race(
            lambda _: flows.rotate_data_key(organisation_id=acme.id, now=clock.now()).version,
            runners=3,
        )

        assert sorted(made) == [2, 3, 4]
        assert DataKey.objects.get(organisation_id=acme.id, is_active=True).version == 4


@pytest.mark.django_db
class TestRewrapDataKeys:
    def test_a_new_key_encryption_key_takes_over(self, acme, globex, now, keks):
        sealed = [seal(acme), seal(globex)]
        keks(NEW | OLD)

        assert flows.rewrap_data_keys(now=now) == 2
        keks(NEW)

        assert [unseal(value) for value in sealed] == [b"secret", b"secret"]
        assert set(DataKey.objects.values_list("kek_id", flat=True)) == {"k2"}
        changes = AuditEvent.objects.filter(facts__change="rewrapped")
        assert changes.count() == 2

    def test_a_second_run_has_nothing_to_do(self, acme, now, keks):
        seal(acme)
        keks(NEW | OLD)
        flows.rewrap_data_keys(now=now)

        assert flows.rewrap_data_keys(now=now) == 0

    def test_an_interrupted_run_is_taken_up_again(self, acme, globex, now, keks, monkeypatch):
        sealed = [seal(acme), seal(globex)]
        keks(NEW | OLD)
        wrap, calls = keyring.wrap, []

        def dies_at_the_second(*args):
            calls.append(args)
            if len(calls) == 2:
                raise ConnectionError
            wrap(*args)

        with monkeypatch.context() as patch:
            patch.setattr(keyring, "wrap", dies_at_the_second)
            with pytest.raises(ConnectionError):
                flows.rewrap_data_keys(now=now)

        assert [unseal(value) for value in sealed] == [b"secret", b"secret"]
        assert flows.rewrap_data_keys(now=now) == 1

    def test_retired_data_keys_are_wrapped_as_well(self, acme, now, keks):
        before = seal(acme)
        flows.rotate_data_key(organisation_id=acme.id, now=now)
        keks(NEW | OLD)

        assert flows.rewrap_data_keys(now=now) == 2
        keks(NEW)

        assert unseal(before) == b"secret"

    def test_the_command_says_how_many(self, acme, keks, capsys):
        seal(acme)
        keks(NEW | OLD)

        call_command("rewrap_keys")

        assert capsys.readouterr().out == "1 data keys re-wrapped.\n"


@pytest.mark.django_db
class TestAKeyThatIsGone:
    def test_a_key_encryption_key_that_was_taken_away_opens_nothing(self, acme, keks):
        sealed = seal(acme)
        keks(NEW)

        with pytest.raises(KeyUnavailable, match="k1 is not configured"):
            unseal(sealed)
        with pytest.raises(KeyUnavailable):
            seal(acme)

    def test_another_key_under_the_same_name_does_not_fit(self, acme, keks):
        sealed = seal(acme)
        keks({"k1": os.urandom(32)})

        with pytest.raises(KeyUnavailable, match="does not fit"):
            unseal(sealed)

    def test_without_any_key_nothing_is_sealed(self, acme, keks):
        keks({})

        with pytest.raises(KeyUnavailable, match="no key-encryption key"):
            seal(acme)

    def test_what_is_cached_is_asked_for_again_within_a_minute(self, acme, keks, settings, later):
        sealed = seal(acme)
        unseal(sealed)
        settings.KEY_ENCRYPTION_KEYS = NEW

        later(seconds=59)
        assert unseal(sealed) == b"secret"
        later(seconds=1)

        with pytest.raises(KeyUnavailable):
            unseal(sealed)

    def test_a_wrapped_key_moved_to_another_organisation_does_not_unwrap(self, acme, globex, keks):
        seal(acme)
        sealed = seal(globex)
        ours = DataKey.objects.get(organisation_id=acme.id)
        DataKey.objects.filter(organisation_id=globex.id).update(wrapped=ours.wrapped)
        keyring.forget()

        with pytest.raises(KeyUnavailable, match="does not fit"):
            unseal(sealed)


@pytest.mark.django_db(transaction=True)
def test_the_first_key_is_made_once_by_many(acme):
    sealed = race(lambda _: seal(acme), runners=8)

    assert {unseal(value) for value in sealed} == {b"secret"}
    assert DataKey.objects.filter(organisation_id=acme.id).count() == 1
    assert AuditEvent.objects.filter(event=Event.DATA_KEY_CHANGED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_leave_one_active_key(acme):
    before = seal(acme)

    race(
        lambda _: flows.rotate_data_key(organisation_id=acme.id, now=clock.now()),
        runners=2,
        tolerate=IntegrityError,
    )

    assert DataKey.objects.filter(organisation_id=acme.id, is_active=True).count() == 1
    assert unseal(before) == b"secret"
