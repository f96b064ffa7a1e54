"""Where the API is, and who says so (AuthZEN Authorization API 1.0 §11)."""

from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from core import clock
from idp import keys
from idp.machine.protected_resource import base_of
from idp.machine.wire import JSON, Answer, Request
from idp.tokens import mint

PATH = "/.well-known/authzen-configuration"
ALG = "ES256"
TYPE = "authzen-metadata+jwt"  # of no token: nothing else of ours takes it for one
PUBLIC = [("Cache-Control", "public, max-age=300"), ("Access-Control-Allow-Origin", "*")]
API = "/access/v1/"
EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCHES = {part: f"/access/v1/search/{part}" for part in ("subject", "resource", "action")}


def configuration(request: Request) -> Answer:
    """GET /.well-known/authzen-configuration: of the very address that was asked."""
    kid = keys.signing_key(ALG).kid
    return Answer(200, document(base_of(request), kid), [*JSON, *PUBLIC])


def metadata(base: str) -> dict[str, Any]:
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": base + EVALUATION,
        "access_evaluations_endpoint": base + EVALUATIONS,
        **{f"search_{part}_endpoint": base + path for part, path in SEARCHES.items()},
    }


@lru_cache(maxsize=8)
def document(base: str, kid: str) -> bytes:  # noqa: ARG001 - signed anew by the next key
    """The metadata, and the same once more, signed by the issuer."""
    told = metadata(base)
    claims = {"iss": settings.ISSUER, "iat": int(clock.now().timestamp()), **told}
    return orjson.dumps({**told, "signed_metadata": mint.sign(claims, typ=TYPE, alg=ALG)})
