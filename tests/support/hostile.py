"""Hostile input that knows what it attacks: valid requests with a few things gone wrong.

A change is `(what, name, value)`; `changed` makes it to a list of form fields, `changed_members` to a
JSON object. Values are odd text, odd JSON, and tokens that are broken, nested or point elsewhere.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Change = tuple[str, str, Any]
Pairs = list[tuple[str, str]]


def bounded(examples: int) -> settings:
    """The same examples each time; the fixtures of a test serve them all."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


ODD_TEXT = (
    "", " ", "\0", "a\0b", "\r\nSet-Cookie: a=b", "\ud800", "\u202e", "\U0001f510", "%", "%00", "..",
    "none", "null", "true", "-1", "0", "1e400", "9" * 5_000, "x" * 20_000, "é" * 200, "'\"<>\\",
    "' OR 1=1 --", "openid openid", "openid\topenid", "https://evil.example/", "javascript:alert(1)",
    "urn:ietf:params:oauth:request_uri:x", "a b c", "[]", "{}", "[[[[", "..", "a.b.c", "a.b.c.d.e",
)  # fmt: skip
ODD_JSON = (
    "[" * 3_000, '{"a":' * 2_000, '{"a":1,"a":2}', '{"a":NaN}', '{"a":1e400}', '{"a":"\\ud800"}',
    '{"a":"\\u0000"}', '{"id_token":{"acr":{"values":"aal2"}}}', '{"userinfo":[]}', "[" + "1" * 5_000,
    '[{"type":5}]', '[{"type":"x","locations":{}}]', "\ufeff{}", '{"__proto__":{}}', '{"keys":[5]}',
)  # fmt: skip

numbers = st.sampled_from(
    [
        -1,
        0,
        1,
        2**31,
        2**63,
        10**30,
        -(10**30),
        1.5,
        1e308,
        float("inf"),
        float("-inf"),
        float("nan"),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.sampled_from(ODD_TEXT[:20]) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


key_sets = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "kty": st.sampled_from(["EC", "RSA", "OKP", "oct", "", None, [], {}, 5, ["EC"]]),
            "crv": st.sampled_from(["P-256", "Ed25519", "X25519", "", None, [], {}, 5]),
            "use": st.sampled_from(["sig", "enc", [], {}, None]),
            "alg": st.sampled_from(["ES256", "none", [], {}, 5]),
            "kid": st.sampled_from(["k", "k" * 5_000, [], {}, 5]),
            "key_ops": st.sampled_from([["verify"], "verify", [5], {}, [[]]]),
            **dict.fromkeys(["x", "y", "n", "e"], st.sampled_from(["AA", "AQAB", "", 5, [], {}])),
        },
    ),
    max_size=3,
).map(lambda keys: {"keys": keys})


def encode(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADERS = {
    "alg": st.sampled_from(["none", "None", "HS256", "RS1", "ES256", "", "dir", "RSA1_5", 5, None, []]),
    "crit": st.sampled_from([["exp"], ["b64"], [], "b64", 5, [5], ["x"] * 500]),
    "jku": st.just("https://evil.example/jwks"),
    "x5u": st.just("https://evil.example/cert"),
    "x5c": st.sampled_from([["MIIB"], "MIIB", [], [5]]),
    "jwk": st.sampled_from([{}, [], 5, {"kty": "EC"}, {"kty": "oct", "k": "AA"}, {"kty": "RSA", "n": "A"}]),
    "kid": st.sampled_from(["../../etc/passwd", "' OR 1=1 --", "\0", "x" * 10_000, 5, {}, None, ""]),
    "typ": st.sampled_from(["at+jwt", "JWT", "dpop+jwt", "logout+jwt", "", 5, None, {}]),
    "zip": st.just("DEF"),
    "cty": st.just("JWT"),
    "b64": st.just(False),
    "p2c": st.just(2**31),
    "enc": st.sampled_from(["A256GCM", "A128CBC-HS256", 5]),
}  # fmt: skip
headers = st.fixed_dictionaries({}, optional=HEADERS)


@st.composite
def jose(draw: st.DrawFn) -> str:
    """What looks like a JWS or JWE and is signed by nobody; perhaps one inside another."""
    payload = draw(json_values | st.sampled_from(ODD_JSON))
    body = payload.encode() if isinstance(payload, str) and payload in ODD_JSON else payload
    for _ in range(draw(st.integers(1, 3))):
        tail = draw(st.sampled_from([("AA",), ("",), (), ("AA", "AA", "AA"), ("x" * 5_000,)]))
        body = ".".join([encode(draw(headers)), encode(body), *tail]).encode()
    return body.decode() if isinstance(body, bytes) else str(body)


texts = st.one_of(
    st.sampled_from(ODD_TEXT), st.sampled_from(ODD_JSON), st.text(max_size=30), jose(),
    json_values.map(json.dumps),
)  # fmt: skip


def changes(
    names: Sequence[str], values: st.SearchStrategy[Any], *, most: int = 3
) -> st.SearchStrategy[list[Change]]:
    """None to `most` changes of what stands under these names."""
    whats = st.sampled_from(["set", "set", "set", "drop", "repeat", "add"])
    return st.lists(st.tuples(whats, st.sampled_from(names), values), max_size=most)


def changed(form: Mapping[str, str], wanted: Iterable[Change]) -> Pairs:
    pairs = list(form.items())
    for what, name, value in wanted:
        if what == "repeat":
            pairs.append((name, dict(pairs).get(name, value)))
        elif what == "add":
            pairs.append((f"{name}[]", value))
        else:
            pairs = [pair for pair in pairs if pair[0] != name]
            if what == "set":
                pairs.append((name, value))
    return pairs


def changed_members(members: Mapping[str, Any], wanted: Iterable[Change]) -> dict[str, Any]:
    result = dict(members)
    for what, name, value in wanted:
        if what == "drop":
            result.pop(name, None)
        elif what == "add":
            result[f"{name}#de"] = value
        else:
            result[name] = [result.get(name), value] if what == "repeat" else value
    return result


def body_of(pairs: Pairs) -> str:
    """The form as it stands on the wire; lone surrogates are no UTF-8 and go as they are."""
    return urlencode(pairs, errors="surrogatepass")
