"""Writes small databases in the MaxMind DB form (version 2.0), which only readers exist for."""

import struct
from ipaddress import ip_network
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
RECORD_BITS = 32
UINT16, UINT32, UINT64 = 5, 6, 9


def write(path: Path, networks: dict[str, dict[str, Any]], *, kind: str = "Test-City") -> Path:
    """networks: IPv4 networks and what is said of each."""
    nodes: list[list[Any]] = [[None, None]]
    for text, record in networks.items():
        network = ip_network(text)
        bits = [
            int(network.network_address) >> (31 - depth) & 1 for depth in range(network.prefixlen)
        ]
        node = 0
        for bit in bits[:-1]:
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][bits[-1]] = record
    data, tree = b"", b""
    for pair in nodes:
        for side in pair:
            if isinstance(side, int):
                tree += struct.pack(">I", side)
            elif side is None:
                tree += struct.pack(">I", len(nodes))
            else:
                tree += struct.pack(">I", len(nodes) + 16 + len(data))
                data += _encode(side)
    about = {
        "binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1), "database_type": kind, "description": {},
        "ip_version": (UINT16, 4), "languages": [], "node_count": len(nodes),
        "record_size": (UINT16, RECORD_BITS),
    }  # fmt: skip
    path.write_bytes(tree + b"\0" * 16 + data + MARKER + _encode(about))
    return path


def _encode(value: Any) -> bytes:
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_encode(k) + _encode(v) for k, v in value.items())
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(map(_encode, value))
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _head(3, 8) + struct.pack(">d", value)
    kind, number = value if isinstance(value, tuple) else (UINT32, value)
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return _head(kind, len(body)) + body


def _head(kind: int, size: int) -> bytes:
    assert size < 285
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind < 8:
        return bytes([kind << 5 | short]) + more
    return bytes([short, kind - 7]) + more
