"""Which bytes are a picture that we show: PNG, JPEG, GIF and WebP, told by what they are.

What the sender calls them counts for nothing. Only the frame of each format is read, never the
pixels: its kind, its size on the screen, that it holds one still picture, and that it ends where
the format says, so that nothing else hangs on it.

SVG is not among them: it is a document, with scripts, style, links and addresses to load, and to
make it harmless takes more code than this server is worth. Nor is what moves: nobody could stop it
(WCAG 2.2.2), and it would draw eyes away from what is asked.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

MAX_BYTES = 102_400
MAX_SIDE = 1_024  # pixels: four megabytes in a browser's memory
MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")

# JPEG (ITU-T T.81 §B.1.1.3): markers that begin a frame, and those that stand alone.
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
JPEG_SCAN, JPEG_END = 0xDA, b"\xff\xd9"


class NotAPictureError(ValueError):
    """The text says why, for administrators."""


@dataclass(frozen=True, slots=True)
class Picture:
    """media_type: one of MEDIA_TYPES. width, height: pixels, 1 to MAX_SIDE."""

    media_type: str
    width: int
    height: int


def recognise(content: bytes) -> Picture:
    """What picture this is; raises NotAPictureError."""
    if len(content) > MAX_BYTES:
        raise NotAPictureError("it is too large")
    for media_type, is_it, size_of in _KINDS:
        if is_it(content):
            try:
                width, height = size_of(content)
            except (IndexError, struct.error) as error:
                raise NotAPictureError("it is cut off") from error
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
                raise NotAPictureError(f"it has {width} x {height} pixels")
            return Picture(media_type, width, height)
    raise NotAPictureError("it is no PNG, JPEG, GIF or WebP")


def _png(content: bytes) -> tuple[int, int]:
    """ISO/IEC 15948: a chain of chunks from IHDR to IEND; acTL makes it move."""
    width, height = struct.unpack_from(">II", content, 16)
    at = 8
    while True:
        length, name = struct.unpack_from(">I4s", content, at)
        if (at == 8) != (name == b"IHDR") or name == b"acTL":  # noqa: PLR2004 - behind the signature
            raise NotAPictureError("its chunks are not those of one still picture")
        at += 12 + length
        if name == b"IEND":
            break
    _check_end(content, at)
    return width, height


def _gif(content: bytes) -> tuple[int, int]:
    """GIF89a §17 to §27: blocks up to the trailer, one of them a picture within the screen."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at, pictures = 13 + _colours(flags), 0
    while (kind := content[at]) != 0x3B:  # noqa: PLR2004 - the trailer
        if kind == 0x2C:  # noqa: PLR2004 - an image descriptor
            left, top, across, down, flags = struct.unpack_from("<HHHHB", content, at + 1)
            if left + across > width or top + down > height:
                raise NotAPictureError("its picture is larger than it says")
            pictures += 1
            at = _after_blocks(content, at + 11 + _colours(flags))
        elif kind == 0x21:  # noqa: PLR2004 - an extension
            at = _after_blocks(content, at + 2)
        else:
            raise NotAPictureError("its blocks cannot be read")
    if pictures != 1:
        raise NotAPictureError("it is not one still picture")
    _check_end(content, at + 1)
    return width, height


def _colours(flags: int) -> int:
    """Bytes of a colour table, if there is one."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    while length := content[at]:
        at += 1 + length
    return at + 1


def _webp(content: bytes) -> tuple[int, int]:
    """RFC 9649: one RIFF container; its first chunk says how large the canvas is."""
    _check_end(content, 8 + struct.unpack_from("<I", content, 4)[0])
    kind, flags = content[12:16], content[20]
    if kind == b"VP8X":
        if flags & 0x02 or b"ANIM" in content or b"ANMF" in content:
            raise NotAPictureError("it is not one still picture")
        return 1 + _three_bytes(content, 24), 1 + _three_bytes(content, 27)
    if kind == b"VP8L" and flags == 0x2F:  # noqa: PLR2004 - its signature
        bits = struct.unpack_from("<I", content, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        across, down = struct.unpack_from("<HH", content, 26)
        return across & 0x3FFF, down & 0x3FFF
    raise NotAPictureError("its chunks cannot be read")


def _three_bytes(content: bytes, at: int) -> int:
    low, high = struct.unpack_from("<HB", content, at)
    return int(low) | int(high) << 16


def _jpeg(content: bytes) -> tuple[int, int]:
    """ITU-T T.81 §B.2: segments up to the first scan; one of them is the frame."""
    size, at = None, 2
    while True:
        if content[at] != 0xFF:  # noqa: PLR2004 - what every marker begins with
            raise NotAPictureError("its segments cannot be read")
        marker = content[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a filling byte
            at += 1
            continue
        if marker == JPEG_SCAN:
            break
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            if size not in {None, (width, height)}:
                raise NotAPictureError("it has several sizes")
            size = (width, height)
        at += 2 if marker in JPEG_ALONE else 2 + struct.unpack_from(">H", content, at + 2)[0]
    if size is None or not content.endswith(JPEG_END):
        raise NotAPictureError("it is cut off")
    return size


def _check_end(content: bytes, end: int) -> None:
    if end > len(content):
        raise NotAPictureError("it is cut off")
    if end < len(content):
        raise NotAPictureError("something hangs on its end")


_Kind = tuple[str, Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]]
_KINDS: tuple[_Kind, ...] = (
    ("image/png", lambda content: content.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    ("image/jpeg", lambda content: content.startswith(b"\xff\xd8\xff"), _jpeg),
    ("image/gif", lambda content: content[:6] in {b"GIF87a", b"GIF89a"}, _gif),
    ("image/webp", lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _webp),
)
