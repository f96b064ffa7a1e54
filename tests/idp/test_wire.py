"""How forms are read: as the standard library reads them, sooner where nothing is escaped."""

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from idp.machine import wire

bodies = st.text("ab=&;%+3D \t", max_size=24) | st.text("a=&", max_size=120)


def found(read, body):
    try:
        return read(body)
    except ValueError:
        return ValueError


@how(max_examples=500, deadline=None)
@given(body=bodies)
def test_a_form_is_read_as_the_standard_library_reads_it(body):
    expected = found(
        lambda text: parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=wire.MAX_FIELDS,
        ),
        body,
    )

    assert found(wire._pairs, body) == expected
