"""Which passwords are taken, and how they are kept."""

import threading

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts import passwords
from accounts.models import Organisation, User
from core.errors import Refusal


@pytest.fixture
def somebody() -> User:
    return User(
        email="vera.windsor@initech.example",
        name="Vera Windsor",
        organisation=Organisation(name="Initech", slug="initech"),
    )


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "my laptop at initech is rather slow today",
        "  leading and trailing spaces  ",
        "пароль из четырёх слов подряд",
        "🦊 jumps over 🐶 lazily, twice",
        "kXw9#qLm2$vRt7!pZ" * 7,
        "x7" * 4 + "unlikely tango verse" + "Q" * 36,
    ],
)
def test_long_enough_and_not_guessable_is_taken(password: str, somebody: User) -> None:
    validate_password(password, somebody)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Tr0ub4dor&3xy!", "password_too_short"),
        ("a" * 129, "password_too_long"),
        ("passwordpassword1", "password_weak"),
        ("qwertyuiopasdfghjkl", "password_weak"),
        ("aaaaaaaaaaaaaaaaaaaa", "password_weak"),
        ("12345678901234567890", "password_too_common"),
        ("Initech-Sallyport-1", "password_names_context"),
        ("vera.windsor.initech!", "password_names_context"),
        ("WINDSORwindsorWINDSOR", "password_names_context"),
    ],
)
def test_short_guessable_or_named_after_us_is_refused(
    password: str, code: str, somebody: User
) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password(password, somebody)
    assert code in {error.code for error in refused.value.error_list}


def test_a_refusal_gives_the_reason(somebody: User) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password("aaaaaaaaaaaaaaaaaaaa", somebody)
    assert "Repeats" in str(refused.value)


def test_no_kind_of_character_is_demanded(somebody: User) -> None:
    validate_password("thistle marmalade orbit", somebody)


def test_length_counts_characters_not_bytes() -> None:
    with pytest.raises(ValidationError):
        passwords.LengthValidator().validate("🦊" * 14)
    passwords.LengthValidator().validate("🦊" * 15)


def test_a_password_is_the_same_on_every_keyboard_but_never_trimmed() -> None:
    user = User()
    user.set_password("caf\u00e9 au lait, s'il vous pla\u00eet")
    assert user.check_password("cafe\u0301 au lait, s'il vous plai\u0302t")
    assert not user.check_password("Caf\u00e9 au lait, s'il vous pla\u00eet")
    assert not user.check_password("caf\u00e9 au lait, s'il vous pla\u00eet ")


def test_nothing_after_the_72nd_byte_is_ignored() -> None:
    user = User()
    user.set_password("a" * 100 + "b")
    assert not user.check_password("a" * 100 + "c")


def test_argon2id_at_owasp_parameters() -> None:
    user = User()
    user.set_password("thistle marmalade orbit")
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert not identify_hasher(user.password).must_update(user.password)


def test_more_hashes_than_cores_wait_and_give_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "HASH_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(passwords, "_slots", threading.BoundedSemaphore(1))
    with passwords._one_of_few(), pytest.raises(Refusal) as refused:
        User().set_password("thistle marmalade orbit")
    assert refused.value.status == 503
    User().set_password("thistle marmalade orbit")
