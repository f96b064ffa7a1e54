"""What is a picture is told by its bytes, and nothing hangs on it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.clients.pictures import MAX_BYTES, MAX_SIDE, NotAPictureError, Picture, recognise
from tests.support import pictures
from tests.support.hostile import bounded

GOOD = {
    "png": (pictures.png(), Picture("image/png", 8, 4)),
    "jpeg": (pictures.JPEG, Picture("image/jpeg", 8, 4)),
    "gif": (pictures.gif(), Picture("image/gif", 1, 1)),
    "webp": (pictures.WEBP, Picture("image/webp", 8, 4)),
    "webp lossless": (pictures.WEBP_LOSSLESS, Picture("image/webp", 8, 4)),
    "webp extended": (pictures.webp_extended(30, 20), Picture("image/webp", 30, 20)),
}
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>alert(1)</script></svg>'
)
OTHERS = {
    "nothing": b"",
    "svg": SVG,
    "svg declared": b'<?xml version="1.0"?>' + SVG,
    "html": b"<!doctype html><script>alert(1)</script>",
    "bmp": b"BM" + bytes(60),
    "ico": b"\0\0\1\0\1\0" + bytes(60),
    "tiff": b"II*\0" + bytes(60),
    "avif": b"\0\0\0\x20ftypavif" + bytes(60),
    "pdf": b"%PDF-1.7",
    "riff of another kind": b"RIFF" + struct.pack("<I", 4) + b"WAVE",
    "html before a picture": b"<script>alert(1)</script>" + pictures.png(),
}


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_is_told_with_its_size(kind: str) -> None:
    content, picture = GOOD[kind]

    assert recognise(content) == picture


@pytest.mark.parametrize("kind", OTHERS)
def test_anything_else_is_none(kind: str) -> None:
    with pytest.raises(NotAPictureError, match="no PNG, JPEG, GIF or WebP"):
        recognise(OTHERS[kind])


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("rest", [b"\0", b"<script>alert(1)</script>", b"PK\x05\x06" + bytes(18)])
def test_nothing_hangs_on_its_end(kind: str, rest: bytes) -> None:
    with pytest.raises(NotAPictureError):
        recognise(GOOD[kind][0] + rest)


@pytest.mark.parametrize("kind", GOOD)
def test_no_part_of_one_is_one(kind: str) -> None:
    content = GOOD[kind][0]

    for size in range(len(content)):
        with pytest.raises(NotAPictureError):
            recognise(content[:size])


@pytest.mark.parametrize(
    "make", [pictures.png, pictures.gif, pictures.webp_extended, pictures.sized_jpeg]
)
@pytest.mark.parametrize("side", ["width", "height"])
def test_its_sides_are_limited(make, side: str) -> None:
    sides = {"width": 1, "height": 1}

    assert recognise(make(**sides | {side: MAX_SIDE})).media_type
    with pytest.raises(NotAPictureError, match="pixels"):
        recognise(make(**sides | {side: MAX_SIDE + 1}))


@pytest.mark.parametrize("make", [pictures.png, pictures.gif, pictures.sized_jpeg])
def test_a_picture_without_pixels_is_none(make) -> None:
    with pytest.raises(NotAPictureError):
        recognise(make(width=0, height=1))


def test_its_size_is_limited() -> None:
    room = MAX_BYTES - len(pictures.png()) - 12

    assert recognise(pictures.png(before=pictures.chunk(b"teXt", bytes(room))))
    with pytest.raises(NotAPictureError, match="too large"):
        recognise(pictures.png(before=pictures.chunk(b"teXt", bytes(room + 1))))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pictures.png(before=pictures.chunk(b"acTL", bytes(8))), id="png"),
        pytest.param(pictures.gif(frames=2), id="gif"),
        pytest.param(pictures.webp_extended(8, 4, flags=2), id="webp"),
        pytest.param(pictures.gif(frames=0), id="gif without any"),
    ],
)
def test_what_moves_is_none(content: bytes) -> None:
    with pytest.raises(NotAPictureError, match="still picture"):
        recognise(content)


def test_a_frame_is_no_larger_than_the_screen() -> None:
    with pytest.raises(NotAPictureError, match="larger than it says"):
        recognise(pictures.gif(8, 8, frame=(9, 8)))


def test_a_frame_has_one_size() -> None:
    at = pictures.JPEG.index(b"\xff\xc0")
    frame = pictures.sized_jpeg(9_000, 9_000)[at : at + 19]

    with pytest.raises(NotAPictureError, match="several sizes"):
        recognise(pictures.JPEG[:at] + frame + pictures.JPEG[at:])


@given(
    start=st.sampled_from([content for content, _ in GOOD.values()]),
    at=st.integers(0, 400),
    put=st.binary(min_size=1, max_size=8),
)
@bounded(400)
def test_whatever_is_in_it_there_is_an_answer(start: bytes, at: int, put: bytes) -> None:
    content = start[:at] + put + start[at + len(put) :]

    try:
        picture = recognise(content)
    except NotAPictureError:
        return
    assert 0 < picture.width <= MAX_SIDE
    assert 0 < picture.height <= MAX_SIDE
