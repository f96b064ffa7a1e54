"""Country and network of an address, offline: the data of the package geoip2fast, made compact.

The package would hold 120 MB in every process. So its data are written once, by a process of their
own, as sorted arrays into a file below var/, which is mapped into memory and searched where it is.
None of the package's code runs. The file is named after the package's version and is made anew when
it is missing or damaged.
"""

import fcntl
import gzip
import json
import mmap
import os
import pickle
import subprocess
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, BinaryIO

PACKAGE = "geoip2fast"
DATA = "geoip2fast-asn-ipv6.dat.gz"
FORMAT = 120
PRIVATE = 16  # The first countries of the list are kinds of private networks.
MAGIC = b"sallyport geo 1\n"
V4_BITS, V6_BITS, V6_KEPT = 32, 128, 64
TIMEOUT_SECONDS = 60
Networks = list[tuple[int, int, int]]


class Bundled:
    """Looks up in the compact file; opening makes it where there is none. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{PACKAGE}-{version(PACKAGE)}.bin"
        if not path.is_file():
            _make(path)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[: len(MAGIC)] != MAGIC:
            raise OSError(f"{path} is not ours: delete it, and it is made anew")
        begin = len(MAGIC) + 4
        length = int.from_bytes(self._map[len(MAGIC) : begin], "little")
        self._head: dict[str, Any] = json.loads(self._map[begin : begin + length])
        self._view = memoryview(self._map)

    def country(self, address: IPv4Address | IPv6Address) -> str:
        """Two letters, or "" when unknown."""
        return self._name("country", address)

    def network(self, address: IPv4Address | IPv6Address) -> str:
        """The name of the autonomous system's holder, or ""."""
        return self._name("network", address)

    def _name(self, what: str, address: IPv4Address | IPv6Address) -> str:
        number, kind = int(address), f"{what}{address.version}"
        if address.version == 6:  # noqa: PLR2004
            number >>= V6_BITS - V6_KEPT
        starts, ends, values = (self._array(f"{kind}.{part}") for part in ("from", "to", "is"))
        index = bisect_right(starts, number) - 1
        if index < 0 or number > ends[index]:
            return ""
        places, text = self._array(f"{what}.places"), self._array(f"{what}.text")
        begin, end = places[values[index]], places[values[index] + 1]
        return bytes(text[begin:end]).decode()

    def _array(self, name: str) -> "memoryview[int]":
        kind, offset, size = self._head[name]
        return self._view[offset : offset + size].cast(kind)


def _make(path: Path) -> None:
    """Write the file once, whoever asks: a lock lets one process do it, and it appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.is_file():
            return
        done = subprocess.run(
            [sys.executable, "-I", __file__, str(path)],
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise OSError(f"geographic data could not be prepared: {done.stderr[-500:].decode()}")


# --- making the file, in a process of its own -----------------------------------------------------


def convert(source: Path, target: Path) -> None:
    """The package's data as our file. Only lists, text and numbers are let out of the pickle."""
    with gzip.open(source, "rb") as packed:
        form, facts, _, data = _Plain(packed).load()
    if form != FORMAT or not facts.get("asn"):
        raise ValueError(f"{source.name}: form {form} is not known")
    _, _, countries, holders, starts, starts_n, codes, numbers, lengths, lengths_n = data
    parts: dict[str, tuple[str, bytes]] = {}
    names = [
        "" if index < PRIVATE else text.partition(":")[0] for index, text in enumerate(countries)
    ]
    _store(parts, "country", names, _networks(starts, lengths, codes))
    _store(parts, "network", holders, _networks(starts_n, lengths_n, numbers))
    temporary = target.with_suffix(".new")
    with temporary.open("wb") as file:
        _write(file, parts)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)


class _Plain(pickle.Unpickler):
    """Plain data have no need of any class or function."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} has no place in geographic data")


def _networks(
    starts: Iterable[Sequence[int]],
    lengths: Iterable[Sequence[int]],
    values: Iterable[Sequence[int]],
) -> Networks:
    """(first address, prefix length, index of the name)."""
    chunks = zip(starts, lengths, values, strict=True)
    return [row for chunk in chunks for row in zip(*chunk, strict=True)]


def _store(
    parts: dict[str, tuple[str, bytes]], what: str, names: Sequence[str], networks: Networks
) -> None:
    limit = 1 << V4_BITS
    cut = V6_BITS - V6_KEPT
    fourth = sorted(
        (first, V4_BITS - length, name) for first, length, name in networks if first < limit
    )
    sixth = sorted(
        (first >> cut, max(V6_BITS - length - cut, 0), name)
        for first, length, name in networks
        if first >= limit
    )
    for number, kind, rows in ((4, "I", fourth), (6, "Q", sixth)):
        firsts = array(kind, (first for first, _, _ in rows))
        lasts = array(kind, (first + (1 << bits) - 1 for first, bits, _ in rows))
        parts[f"{what}{number}.from"] = (kind, firsts.tobytes())
        parts[f"{what}{number}.to"] = (kind, lasts.tobytes())
        parts[f"{what}{number}.is"] = ("I", array("I", (name for _, _, name in rows)).tobytes())
    encoded = [name.encode() for name in names]
    places = array("I", [0])
    for name in encoded:
        places.append(places[-1] + len(name))
    parts[f"{what}.places"] = ("I", places.tobytes())
    parts[f"{what}.text"] = ("B", b"".join(encoded))


def _write(file: BinaryIO, parts: dict[str, tuple[str, bytes]]) -> None:
    """MAGIC, the length of the table of contents, the table padded to a page, then the parts."""
    page = 8192
    head, offset = {}, page
    for name, (kind, body) in parts.items():
        head[name] = (kind, offset, len(body))
        offset += -(-len(body) // 8) * 8
    table = json.dumps(head).encode()
    begin = MAGIC + len(table).to_bytes(4, "little") + table
    file.write(begin.ljust(page, b" "))
    for _, body in parts.values():
        file.write(body.ljust(-(-len(body) // 8) * 8, b"\0"))


if __name__ == "__main__":
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        sys.exit(f"the package {PACKAGE} is not installed")
    convert(Path(found.origin).with_name(DATA), Path(sys.argv[1]))
