"""RFC 6238's arithmetic, and what a code may not be."""

from datetime import UTC, datetime, timedelta

import pytest

from mfa import totp

SEED = b"12345678901234567890"
AT = datetime.fromtimestamp(1_111_111_109, UTC)
CODE = "081804"  # RFC 6238, appendix B, the last six digits


@pytest.mark.spec("RFC 6238", "B", "test vectors")
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_it_agrees_with_the_test_vectors(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)

    assert totp.matching_step(seed=SEED, code=code, now=at, after=-1) == seconds // 30


@pytest.mark.parametrize("late", [-30, 0, 30])
def test_a_code_is_good_one_step_around(late: int) -> None:
    at = AT + timedelta(seconds=late)

    assert totp.matching_step(seed=SEED, code=CODE, now=at, after=-1) == totp.step_at(AT)


@pytest.mark.parametrize("late", [-90, -60, 60, 90])
def test_a_code_is_bad_two_steps_away(late: int) -> None:
    at = AT + timedelta(seconds=late)

    assert totp.matching_step(seed=SEED, code=CODE, now=at, after=-1) is None


def test_a_code_of_an_accepted_step_never_matches_again() -> None:
    step = totp.step_at(AT)

    assert totp.matching_step(seed=SEED, code=CODE, now=AT, after=step) is None
    assert totp.matching_step(seed=SEED, code=CODE, now=AT, after=step + 1) is None
    assert totp.matching_step(seed=SEED, code=CODE, now=AT, after=step - 1) == step


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "08180",
        "0818040",
        "08_1804",
        " 81804",
        "+81804",
        "0x1804",
        "\uff10\uff18\uff11\uff18\uff10\uff14",
        "٠٨١٨٠٤",
        "08180\n",
    ],
)
def test_only_six_ascii_digits_are_a_code(typed: str) -> None:  # OT5
    assert totp.matching_step(seed=SEED, code=typed, now=AT, after=-1) is None


def test_the_address_for_apps_names_issuer_account_and_parameters() -> None:
    uri = totp.provisioning_uri(seed=SEED, account="ann@acme.example", issuer="Sally port")

    assert uri == (
        "otpauth://totp/Sally%20port:ann@acme.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Sally%20port&algorithm=SHA1&digits=6&period=30"
    )


def test_the_drawing_has_no_style() -> None:
    drawing = totp.qr_svg("otpauth://totp/x")

    assert drawing.startswith("<svg")
    assert "viewBox" in drawing
    assert "style" not in drawing
    assert "<script" not in drawing
