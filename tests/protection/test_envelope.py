"""What is sealed opens in its own place only."""

import pytest

from core.ids import new_id
from protection import envelope
from protection.envelope import HEAD_SIZE_BYTES
from protection.keyring import NONCE_SIZE_BYTES, KeyUnavailable
from protection.models import DataKey

pytestmark = pytest.mark.django_db

HERE = "mfa.TotpFactor|seed|1"
SECRET = b"twenty bytes of seed"
NONCE_AND_TAG_BYTES = NONCE_SIZE_BYTES + 16


@pytest.fixture
def sealed(acme):
    return envelope.seal(SECRET, organisation_id=acme.id, context=HERE)


@pytest.mark.parametrize("plaintext", [b"", b"\x00", SECRET, bytes(range(256)) * 300])
def test_what_was_sealed_comes_back(acme, plaintext):
    sealed = envelope.seal(plaintext, organisation_id=acme.id, context=HERE)

    assert envelope.unseal(sealed, context=HERE) == plaintext
    assert envelope.unseal(memoryview(sealed), context=HERE) == plaintext


def test_the_same_value_never_looks_the_same(acme):
    seals = {envelope.seal(SECRET, organisation_id=acme.id, context=HERE) for _ in range(20)}

    assert len(seals) == 20
    assert all(SECRET not in sealed for sealed in seals)


def test_it_names_the_data_key_that_sealed_it(acme, sealed):
    assert envelope.key_id_of(sealed) == DataKey.objects.get(organisation_id=acme.id).id
    assert len(sealed) == HEAD_SIZE_BYTES + NONCE_AND_TAG_BYTES + len(SECRET)


def test_each_organisation_has_a_key_of_its_own_and_so_has_the_installation(acme, globex):
    owners = (acme.id, globex.id, None)

    keys = {
        envelope.key_id_of(envelope.seal(SECRET, organisation_id=owner, context=HERE))
        for owner in owners
    }

    assert len(keys) == 3
    assert set(DataKey.objects.values_list("organisation_id", flat=True)) == set(owners)


@pytest.mark.parametrize("context", ["", HERE + "2", "mfa.TotpFactor|other|1", HERE.upper()])
def test_it_does_not_open_in_another_place(sealed, context):
    with pytest.raises(KeyUnavailable, match="does not belong here"):
        envelope.unseal(sealed, context=context)


def test_every_bit_counts(sealed):
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1 << position % 8
        with pytest.raises(KeyUnavailable):
            envelope.unseal(bytes(changed), context=HERE)


def test_every_byte_counts(sealed):
    for length in range(len(sealed)):
        with pytest.raises(KeyUnavailable):
            envelope.unseal(sealed[:length], context=HERE)
    with pytest.raises(KeyUnavailable):
        envelope.unseal(sealed + b"\x00", context=HERE)


def test_a_value_of_another_organisation_does_not_pass_under_its_key(acme, globex, sealed):
    foreign = envelope.seal(SECRET, organisation_id=globex.id, context=HERE)
    relabelled = sealed[:2] + envelope.key_id_of(foreign).bytes + sealed[HEAD_SIZE_BYTES:]

    with pytest.raises(KeyUnavailable):
        envelope.unseal(relabelled, context=HERE)


def test_an_unknown_data_key_opens_nothing(sealed):
    unknown = sealed[:2] + new_id().bytes + sealed[HEAD_SIZE_BYTES:]

    with pytest.raises(KeyUnavailable, match="does not exist"):
        envelope.unseal(unknown, context=HERE)


@pytest.mark.parametrize("value", [b"", b"\x01", b"plain text of long ago" * 3, b"\x02\x01" * 40])
def test_what_is_no_sealed_value_is_refused(value):
    with pytest.raises(KeyUnavailable, match="not a sealed value"):
        envelope.unseal(value, context=HERE)
