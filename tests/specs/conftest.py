"""Everything in here talks HTTP over TLS to a running server (tests/support/over_tls.py)."""

from collections.abc import Iterator

import pytest

from tests.support import over_tls


@pytest.fixture(autouse=True)
def _over_tls() -> Iterator[None]:
    with over_tls.spoken() as asked:
        yield
        assert asked, "this test has sent nothing: what tests functions belongs in tests/idp"
