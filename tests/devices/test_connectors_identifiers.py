"""By what devices are known elsewhere, and which texts name none."""

import pytest

from devices.connectors.identifiers import Kind, read


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.SERIAL, " c02xk1jjjg5j ", "C02XK1JJJG5J"),
        (Kind.SERIAL, "5cd   1234", "5CD 1234"),
        (Kind.UUID, "4740D59F699E5B29960B979AAF9BBEEB", "4740d59f-699e-5b29-960b-979aaf9bbeeb"),
        (Kind.UUID, "{4740d59f-699e-5b29-960b-979aaf9bbeeb}", "4740d59f-699e-5b29-960b-979aaf9bbeeb"),
        (Kind.FLEET_HOST, 17, "17"),
        (Kind.FLEET_HOST, "0017", "17"),
    ],
    ids=["case", "blanks", "plain", "braces", "number", "zeros"],
)  # fmt: skip
def test_both_sides_are_written_alike(kind: Kind, text: object, expected: str) -> None:
    found = read(kind, text)

    assert found is not None
    assert (found.kind, found.value) == (kind, expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.SERIAL, "To Be Filled By O.E.M."),
        (Kind.SERIAL, "None"),
        (Kind.SERIAL, "Default string"),
        (Kind.SERIAL, "System  Serial  Number"),
        (Kind.SERIAL, "00000000"),
        (Kind.SERIAL, "........"),
        (Kind.SERIAL, ""),
        (Kind.SERIAL, "A" * 129),
        (Kind.SERIAL, "5CD\x001234"),
        (Kind.SERIAL, None),
        (Kind.SERIAL, True),
        (Kind.SERIAL, ["5CD1234"]),
        (Kind.UUID, "00000000-0000-0000-0000-000000000000"),
        (Kind.UUID, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        (Kind.UUID, "03000200-0400-0500-0006-000700080009"),
        (Kind.UUID, "laptop-1"),
        (Kind.FLEET_HOST, 0),
        (Kind.FLEET_HOST, "-1"),
        (Kind.FLEET_HOST, "\uff11\uff17"),
        (Kind.FLEET_HOST, 1 << 63),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_makers_leave_in_the_field_names_no_device(kind: Kind, text: object) -> None:
    assert read(kind, text) is None
