"""A120: register a credential id that somebody has already."""

import pytest
from django.db import IntegrityError, transaction

from core.errors import Refusal
from mfa.models import PasskeyFactor
from tests.cast import Person
from tests.support import passkeys


def test_it_is_refused_and_overwrites_nothing(newcomer: Person, outsider: Person) -> None:
    victims = passkeys.authenticator()
    before = passkeys.register(newcomer, victims)
    credential_id = next(iter(victims.keys))

    with pytest.raises(Refusal, match="conflict"):
        passkeys.register(outsider, passkeys.authenticator(), credential_id=credential_id)

    after = PasskeyFactor.objects.get()
    assert (after.user_id, bytes(after.public_key)) == (newcomer.user.pk, before.public_key)


def test_the_database_holds_it_unique(newcomer: Person, outsider: Person) -> None:
    passkey = passkeys.register(newcomer, passkeys.authenticator())
    passkey.pk, passkey.user = None, outsider.user
    passkey.organisation = outsider.user.organisation
    passkey.row_id = outsider.user.pk

    with pytest.raises(IntegrityError), transaction.atomic():
        passkey.save(force_insert=True)


def test_an_id_longer_than_the_standard_allows_is_refused(newcomer: Person) -> None:
    with pytest.raises(Refusal, match="invalid_passkey"):
        passkeys.register(newcomer, passkeys.authenticator(), credential_id=b"x" * 1024)
