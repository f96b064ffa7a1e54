"""What a client may register to be answered with."""

import pytest

from core.errors import Refusal
from idp.registration.metadata import ClientMetadata
from idp.requests.response_types import RESPONSE_TYPES, canonical, check_registered


@pytest.mark.parametrize("name", RESPONSE_TYPES)
def test_the_order_of_words_does_not_count(name: str) -> None:
    assert canonical(" ".join(reversed(name.split()))) == name


@pytest.mark.parametrize("name", ["", "code code", "codes", "CODE", "code none"])
def test_what_is_no_response_type_has_no_name(name: str) -> None:
    assert canonical(name) == ""


@pytest.mark.parametrize(
    "metadata",
    [
        ClientMetadata(response_types=("token",)),
        ClientMetadata(response_types=()),
        ClientMetadata(response_types=("code", "code code")),
        ClientMetadata(response_types=("code id_token",), security_profile="fapi2"),
        ClientMetadata(response_types=("code token",), dpop_bound_access_tokens=True),
        ClientMetadata(default_max_age=-1),
    ],
    ids=["token-alone", "none", "word-twice", "fapi2-hybrid", "bound-at-the-front", "age"],
)
def test_what_could_not_be_kept_is_refused(metadata: ClientMetadata) -> None:
    with pytest.raises(Refusal) as refused:
        check_registered(metadata)

    assert refused.value.code == "invalid_client_metadata"


@pytest.mark.parametrize("name", RESPONSE_TYPES)
def test_each_that_is_announced_may_be_registered(name: str) -> None:
    check_registered(ClientMetadata(response_types=(name,)))
