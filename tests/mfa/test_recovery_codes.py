import uuid

import pytest

from mfa import recovery_codes


def test_a_sheet_has_ten_different_codes_of_eighty_bits() -> None:
    codes = recovery_codes.new_codes()

    assert len(set(codes)) == 10
    assert all(recovery_codes.is_code(code) for code in codes)
    assert len(recovery_codes.ALPHABET) ** recovery_codes.CODE_LENGTH == 2**80


@pytest.mark.parametrize(
    "typed", ["K7MQ-X2RA-9FTE-W3PO", " k7mqx2ra9ftew3po ", "k7mq x2ra 9fte w3p0"]
)
def test_case_dashes_and_lookalikes_do_not_matter(typed: str) -> None:
    assert recovery_codes.normalised(typed) == "k7mqx2ra9ftew3p0"
    assert recovery_codes.is_code(typed)


@pytest.mark.parametrize(
    "typed", ["", "k7mq", "k7mq-x2ra-9fte-w3p", "k7mq-x2ra-9fte-w3p\u0000", "u" * 16]
)
def test_other_text_is_no_code(typed: str) -> None:
    assert not recovery_codes.is_code(typed)


def test_what_is_kept_is_bound_to_the_sheet_and_to_our_key(settings: object) -> None:
    sheet = uuid.uuid4()
    code = recovery_codes.new_codes()[0]

    before = recovery_codes.digest_of(code, sheet=sheet)
    assert recovery_codes.digest_of(code, sheet=uuid.uuid4()) != before

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, thirty-two letters or more"
    assert recovery_codes.digest_of(code, sheet=sheet) != before
    assert before in recovery_codes.digests_of(code, sheet=sheet)
