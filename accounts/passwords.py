"""Passwords: how they are normalised, hashed and judged.

Rules (NIST SP 800-63B-4 §3.1.1.2): at least 15 characters for everybody, since a second factor can
be removed later and then the password stands alone; at most 128; any character; no composition
rules, no periodic change, no hints. Refused: what is known from breaches or easily guessed, and
what is mostly made of words that name the product, the organisation or the person.

Exactly as typed, but for Unicode: NFKC, so that a password is the same on every keyboard.
Everything works offline.
"""

import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from core.errors import Refusal

MIN_LENGTH = 15
MAX_LENGTH = 128
MIN_STRENGTH = 3  # of 4: "safely unguessable: moderate protection from offline slow-hash scenario"
JUDGED_LENGTH = 72  # zxcvbn refuses longer text
MIN_CONTEXT_WORD = 4
MIN_OWN_CHARACTERS = 8
PRODUCT_WORDS = ("sallyport", "identity", "password", "passwort", "administrator")
HASH_WAIT_SECONDS = 10


def normalise(password: str) -> str:
    """NFKC, and nothing else: no case change, no trimming, no truncation."""
    return unicodedata.normalize("NFKC", password)


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id at OWASP's parameters: 19 MiB, two passes, one lane.

    As many hashes at once as there are cores: more would only be slower together, and memory-hard
    work is what somebody who wants to wear us out would ask for.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _one_of_few():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _one_of_few():
            return super().verify(password, encoded)


class LengthValidator:
    """Counts characters (code points) after normalisation."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002
        length = len(normalise(password)) if len(password) <= MAX_LENGTH else len(password)
        if length < MIN_LENGTH:
            raise ValidationError(
                f"Use at least {MIN_LENGTH} characters. A few words in a row are easy to remember.",
                code="password_too_short",
            )
        if length > MAX_LENGTH:
            raise ValidationError(f"Use at most {MAX_LENGTH} characters.", code="password_too_long")

    def get_help_text(self) -> str:
        return f"At least {MIN_LENGTH} characters. A few words in a row are easy to remember."


class BlocklistValidator:
    """Refuses passwords that are known, or that a guessing program finds early.

    The whole password is compared with a list of common ones; then zxcvbn, which knows common
    words, names, dates, keyboard walks and repetitions, estimates how many guesses it withstands.
    """

    def __init__(self) -> None:
        self.common = CommonPasswordValidator()

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > MAX_LENGTH:
            return  # LengthValidator says so
        judged = normalise(password)
        self.common.validate(judged, user)
        from zxcvbn import zxcvbn  # noqa: PLC0415 - 12 MB that most processes never need

        result = zxcvbn(judged[:JUDGED_LENGTH], user_inputs=context_words(user))
        if result["score"] < MIN_STRENGTH:
            reason = result["feedback"]["warning"] or "It is easy to guess."
            raise ValidationError(
                "Choose another password. %(reason)s",
                code="password_weak",
                params={"reason": reason},
            )

    def get_help_text(self) -> str:
        return ""


class ContextValidator:
    """Refuses passwords that hold little but the names of product, organisation and person."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > MAX_LENGTH:
            return
        whole = rest = normalise(password).casefold()
        for word in sorted(context_words(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        own_characters = len(re.sub(r"[\W_]+", "", rest))
        if rest != whole and own_characters < MIN_OWN_CHARACTERS:
            raise ValidationError(
                "Choose another password. This one is mostly made of names that belong to you, "
                "your organisation or this product.",
                code="password_names_context",
            )

    def get_help_text(self) -> str:
        return ""


def context_words(user: Any) -> list[str]:
    """Words that somebody would try first for this person, in lower case."""
    sources = [*PRODUCT_WORDS]
    if user is not None:
        sources += [getattr(user, "name", ""), getattr(user, "email", "")]
        organisation = getattr(user, "organisation", None) if user.organisation_id else None
        if organisation is not None:
            sources += [organisation.name, organisation.slug]
    words = {word for source in sources for word in re.split(r"[^\w]+", source.casefold())}
    return sorted(word for word in words if len(word) >= MIN_CONTEXT_WORD)


_slots = threading.BoundedSemaphore(os.cpu_count() or 1)


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _slots.acquire(timeout=HASH_WAIT_SECONDS):
        raise Refusal.unavailable()
    try:
        yield
    finally:
        _slots.release()
