"""A063: the name of a confidential client without its secret, key or certificate."""

import pytest

from audit.models import AuditEvent
from idp.models.client import GRANT_TYPES
from tests import cast
from tests.support import assertions, oauth

pytestmark = pytest.mark.django_db

FORMS = {
    "/oauth/token": {"grant_type": "client_credentials"},
    "/oauth/introspect": {"token": "x"},
    "/oauth/revoke": {"token": "x"},
    "/oauth/par": {"response_type": "code", "redirect_uri": cast.REDIRECT_URI},
    "/oauth/device_authorization": {"scope": "reports"},
    "/oauth/bc-authorize": {"scope": "openid", "login_hint": "alice@acme.example"},
}
METHODS = {
    "client_secret_basic": {},
    "client_secret_post": {},
    "client_secret_jwt": {},
    "private_key_jwt": {"jwks": assertions.jwks(assertions.ec_key())},
    "tls_client_auth": {"tls_client_auth_subject_dn": "CN=acme"},
    "self_signed_tls_client_auth": {"jwks": assertions.jwks(assertions.ec_key())},
}


@pytest.fixture(params=METHODS)
def confidential(request, acme):
    by_secret = request.param.startswith("client_secret")
    fields = {} if by_secret else {"secret_digest": None}
    return cast.client(
        "acme-quiet",
        acme,
        token_endpoint_auth_method=request.param,
        metadata=METHODS[request.param],
        **assertions.MACHINE,
        **fields,
    )


@pytest.mark.parametrize("grant_type", GRANT_TYPES)
def test_nor_is_it_for_any_grant_type(confidential, grant_type):
    form = {"client_id": "acme-quiet", "grant_type": grant_type, "code": "x", "device_code": "x"}
    form |= {"refresh_token": "x", "subject_token": "x", "redirect_uri": "x"}

    reply = oauth.send("POST", "/oauth/token", form=form)

    assert (reply.status, reply.error) == (401, "invalid_client")
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()


@pytest.mark.parametrize("path", FORMS)
def test_the_name_alone_is_nothing(confidential, path):
    form = FORMS[path] | {"client_id": "acme-quiet"}
    tries = [
        oauth.send("POST", path, form=form),
        oauth.send("POST", path, form=form | {"client_secret": ""}),
        oauth.send("POST", path, form=form, authorization=oauth.basic("acme-quiet", "")),
        oauth.send("POST", path, form=form | {"client_assertion_type": assertions.TYPE}),
        oauth.send(
            "POST",
            path,
            form=form
            | {
                "client_assertion_type": assertions.TYPE,
                "client_assertion": assertions.forge({"alg": "none"}, {"sub": "acme-quiet"}, b""),
            },
        ),
    ]

    assert {(reply.status, reply.error) for reply in tries} == {(401, "invalid_client")}
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()
