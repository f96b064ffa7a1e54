"""A066: an allowed server answers with a redirect to somewhere inside."""

import pytest

from core.outbound import OutboundError, fetch, post


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(elsewhere, status):
    elsewhere.serve("/inside", b"secret")
    elsewhere.pages["/"] = (status, {"Location": elsewhere.url("/inside")}, b"")

    with pytest.raises(OutboundError, match="redirect"):
        fetch(elsewhere.url(), accept="*/*")
    with pytest.raises(OutboundError, match="redirect"):
        post(elsewhere.url(), body=b"x", content_type="text/plain")
    assert [path for _, path, *_ in elsewhere.requests] == ["/", "/"]


@pytest.mark.parametrize("header", ["Refresh", "Content-Location", "Link"])
def test_nor_is_anything_else_that_names_an_address(elsewhere, header):
    elsewhere.pages["/"] = (200, {header: elsewhere.url("/inside")}, b"")

    assert fetch(elsewhere.url(), accept="*/*").body == b""
    assert len(elsewhere.requests) == 1
