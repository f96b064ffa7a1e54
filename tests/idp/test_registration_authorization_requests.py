"""What may be registered about a client's authorization requests."""

from typing import Any

import pytest

from core.errors import Refusal
from idp.registration.rules import check_metadata


@pytest.mark.parametrize(
    "values",
    [
        {"request_uris": ["https://a.example/r.jwt", "https://a.example/r.jwt#x"]},
        {"request_object_signing_alg": "RS256"},
        {"request_object_signing_alg": "PS256", "security_profile": "fapi2"},
        {"resources": ["https://a.example/api", "urn:a:b"]},
        {"authorization_details_types": ["payment"]},
    ],
    ids=str,
)
def test_it_is_kept(values: dict[str, Any]) -> None:
    assert check_metadata(values).items() >= values.items()


@pytest.mark.parametrize(
    "values",
    [
        {"request_uris": ["http://a.example/r.jwt"]},
        {"request_uris": ["https://"]},
        {"request_uris": ["https://a.example/a b"]},
        {"request_uris": ["https://ä.example/"]},
        {"request_uris": ["https://a.example/" + "a" * 500]},
        {"request_object_signing_alg": "none"},
        {"request_object_signing_alg": "HS256"},
        {"request_object_signing_alg": "RS256", "security_profile": "fapi2"},
        {"resources": ["/api"]},
        {"resources": ["https://a.example/#f"]},
        {"resources": [""]},
        {"authorization_details_types": [""]},
    ],
    ids=str,
)
def test_it_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        check_metadata(values)

    assert refused.value.code == "invalid_client_metadata"
