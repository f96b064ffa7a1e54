"""The same API in Starlette.

python -m granian --interface asgi examples.protected_api.starlette_api:application
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.protected_api.guard import WELL_KNOWN, Demand, Guard, Keys, Refused, StatusLists

ISSUER = os.environ["API_ISSUER"]
keys = Keys(os.environ.get("API_JWKS_URI", f"{ISSUER}/oauth/jwks"))
# Where the issuer is reached to ask what has been revoked; nobody asks without it.
STATUS_LISTS = os.environ.get("API_STATUS_LISTS")
guard = Guard(
    issuer=ISSUER,
    audience=os.environ["API_AUDIENCE"],
    base_url=os.environ["API_BASE_URL"],
    keys=keys,
    statuses=StatusLists(ISSUER, keys, STATUS_LISTS) if STATUS_LISTS else None,
)
HELLO = Demand(scope="openid")
TRANSFER = Demand(scope="openid", acr=("aal2", "phr", "phrh"), max_age=300)
Endpoint = Callable[[Request], Awaitable[JSONResponse]]


def protected(
    demand: Demand, endpoint: Callable[[Request, dict[str, Any]], JSONResponse]
) -> Endpoint:
    """The endpoint, which runs only with a token that is good for `demand`."""

    async def guarded(request: Request) -> JSONResponse:
        try:
            claims = await run_in_threadpool(  # fetching keys waits
                guard.check,
                demand,
                method=request.method,
                path=request.url.path,
                authorization=request.headers.get("authorization", ""),
                proof=", ".join(request.headers.getlist("dpop")) or None,
            )
        except Refused as refused:
            return JSONResponse(
                {"error": refused.error},
                status_code=refused.status,
                headers={"WWW-Authenticate": refused.challenge()},
            )
        return endpoint(request, claims)

    return guarded


def hello(request: Request, claims: dict[str, Any]) -> JSONResponse:  # noqa: ARG001
    return JSONResponse({"hello": claims["sub"]})


def transfer(request: Request, claims: dict[str, Any]) -> JSONResponse:  # noqa: ARG001
    return JSONResponse({"done": True, "by": claims["sub"], "acr": claims["acr"]})


def about(demand: Demand) -> Callable[[Request], JSONResponse]:
    """What an operation says of itself to clients that do not know it yet (RFC 9728 §3)."""
    return lambda request: JSONResponse(
        guard.metadata(request.url.path.removeprefix(WELL_KNOWN), demand)
    )


application = Starlette(
    routes=[
        Route("/hello", protected(HELLO, hello)),
        Route("/transfer", protected(TRANSFER, transfer), methods=["GET", "POST"]),
        Route(f"{WELL_KNOWN}/hello", about(HELLO)),
        Route(f"{WELL_KNOWN}/transfer", about(TRANSFER)),
    ]
)
