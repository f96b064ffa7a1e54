"""Small pictures of each kind, as encoders write them, and ones that are made up byte by byte."""

import base64
import struct
import zlib

# 8 by 4 pixels each, from a browser's encoder.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1td"
    "hbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAEAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAH/xAAbEAAC"
    "AgMBAAAAAAAAAAAAAAABAgARAxITcf/EABUBAQEAAAAAAAAAAAAAAAAAAAEF/8QAFhEBAQEAAAAAAAAAAAAAAAAAAAIx"
    "/9oADAMBAAIRAxEAPwCZMvRUGiLqKtRRPsREUqtf/9k="
)
WEBP = base64.b64decode(
    "UklGRkYAAABXRUJQVlA4IDoAAACQAQCdASoIAAQABABoJagEGAAIZwAA/sehujvxAL5f94/zvP1/Nz8kk8f//DDMzb/mH/mG"
    "Zm3iMAAA"
)
WEBP_LOSSLESS = base64.b64decode(
    "UklGRjIAAABXRUJQVlA4TCYAAAAvB8AAABcgEEhEEll5YoFAEuSWSwoEEqKIBll//mPvCAxaRP+DAg=="
)


def png(
    width: int = 8,
    height: int = 4,
    *,
    colour: tuple[int, int, int] = (20, 110, 90),
    before: bytes = b"",
) -> bytes:
    """One flat colour. before: chunks between the header and the pixels."""
    rows = (b"\0" + bytes(colour) * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def gif(
    width: int = 1, height: int = 1, *, frames: int = 1, frame: tuple[int, int] | None = None
) -> bytes:
    """A GIF with two colours. frame: size of its pictures, else the screen's."""
    across, down = frame or (width, height)
    one = b"\x2c" + struct.pack("<HHHHB", 0, 0, across, down, 0) + b"\x02\x02\x44\x01\x00"
    table = b"\x00\x00\x00\xff\xff\xff"
    comment = b"\x21\xfe\x02hi\x00"
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + table + comment
        + one * frames + b"\x3b"
    )  # fmt: skip


def webp_extended(width: int, height: int, *, flags: int = 0) -> bytes:
    """A canvas of this size around a picture (RFC 9649 §2.7)."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<IB3x", 10, flags) + size + WEBP[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sized_jpeg(width: int, height: int) -> bytes:
    """JPEG, of which the frame says another size."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]
