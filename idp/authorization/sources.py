"""Where the parameters of a request come from: as they were sent, or pushed before.

RFC 9126 §4.
"""

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from core.errors import Refusal
from idp import pushed_requests
from idp.models import Client
from idp.requests import AuthorizationParams, only


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked. fault: why it cannot be granted, for the client if it can be reached."""

    params: AuthorizationParams
    fault: Refusal | None = None


def read(parameters: QueryDict, *, client: Client, now: datetime) -> Asked:
    """The request that these parameters make; refuses where nobody is known to redirect to."""
    reference = only(parameters, "request_uri")
    if reference is not None and reference.startswith(pushed_requests.PREFIX):
        return Asked(pushed_requests.find(reference, client=client, now=now))
    params = AuthorizationParams.parse(parameters)
    if reference is not None:
        return Asked(
            params, Refusal("request_uri_not_supported", "Request objects are not supported.")
        )
    if only(parameters, "request") is not None:
        return Asked(params, Refusal("request_not_supported", "Request objects are not supported."))
    return Asked(params)
