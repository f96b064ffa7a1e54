"""The product behind a real Apache that ends TLS, and mod_auth_openidc signing people in with it.

One Apache has three sites: the product's proxy, and two applications that know nothing of OpenID
Connect, each behind the module. Ledger has a secret, Vault a key.
"""

import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from core.ids import new_token
from idp.clients import certificates
from idp.grants.authorization_code import s256
from tests.browser.people import Person
from tests.interop.visitor import Visitor, trusting
from tests.support import httpd
from tests.support.elsewhere import Elsewhere, authority, self_signed
from tests.support.httpd import Httpd
from tests.support.instance import Instance, free_port
from tests.support.oauth import VERIFIER

pytestmark = pytest.mark.instance
# What docs/operate.md says.
PROXY = """
    ProxyPreserveHost On
    ProxyPass / http://127.0.0.1:{port}/
    LimitRequestBody 262144
    SSLVerifyClient optional_no_ca
    SSLVerifyDepth 3
    SSLCACertificateFile "{trusted}"
    RequestHeader set X-Forwarded-Proto https
    RequestHeader unset X_Forwarded_Proto
    RequestHeader unset X_Forwarded-Proto
    RequestHeader unset X-Forwarded_Proto
    RequestHeader unset X_Forwarded_For
    RequestHeader unset X_Forwarded-For
    RequestHeader unset X-Forwarded_For
    RequestHeader unset ClientCert
    RequestHeader set ClientCert "%{{SSL_CLIENT_CERT}}s" "expr=%{{SSL_CLIENT_VERIFY}} != 'NONE'"
    RequestHeader set ClientVerify "%{{SSL_CLIENT_VERIFY}}s"
"""
# What docs/stacks.md says.
RELYING_PARTY = """
    OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
    OIDCClientID {client_id}
    OIDCRedirectURI {home}/signed-in
    OIDCCryptoPassphrase one-that-stays
    OIDCScope "openid profile email"
    OIDCPKCEMethod S256
    OIDCRefreshAccessTokenBeforeExpiry 60
    OIDCRemoteUserClaim sub
    OIDCAuthNHeader X-Remote-User
    OIDCCABundlePath "{trusted}"
    {authentication}
    <Location "/">
        AuthType openid-connect
        Require valid-user
        ProxyPass http://127.0.0.1:{port}/
    </Location>
    <Location "/signed-in">
        ProxyPass !
    </Location>
    <Location "/bye">
        AuthType None
        Require all granted
    </Location>
"""
# In this order: without keys it does not know the method.
KEYS = """
    OIDCPrivateKeyFiles "vault-1#{private}"
    OIDCPublicKeyFiles "vault-1#{public}"
    OIDCProviderTokenEndpointAuth private_key_jwt
"""
CALLBACK = "https://app.acme.example/callback"
TOLD_WITHIN_SECONDS = 20
NAMES = {"ledger": "localhost", "vault": "127.0.0.1"}


@dataclass
class Stage:
    """homes: where the two applications are. behind: the server behind the module."""

    instance: Instance
    issuer: str
    httpd: Httpd
    homes: dict[str, str]
    clients: dict[str, dict[str, Any]]
    behind: Elsewhere

    def person(self, email: str) -> Person:
        (found,) = (user for user in self.instance.demo["users"] if user["email"] == email)
        return Person(email, found["password"], found["totp_secret"], session="")

    def registered(self, **metadata: Any) -> dict[str, Any]:
        """A client that registers itself, past the proxy."""
        body = {"id_token_signed_response_alg": "ES256"} | metadata
        answer = httpx.post(
            f"{self.instance.base_url}/oauth/register",
            json=body,
            headers={"Authorization": f"Bearer {self.token}", "X-Forwarded-Proto": "https"},
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    @cached_property
    def token(self) -> str:
        said = self.instance.manage(
            *("make_initial_access_token", "acme", "--uses", "20"),
            *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
            *("--grant-type", "client_credentials"),
        )
        return said.split()[1]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    if httpd.why_not():
        pytest.skip(httpd.why_not())
    front, ports = free_port(), {name: free_port() for name in NAMES}
    issuer = f"https://localhost:{front}"
    homes = {name: f"https://{host}:{ports[name]}" for name, host in NAMES.items()}
    with Httpd() as server, Elsewhere(is_tls=False) as behind:
        settings = {
            "SALLYPORT_BASE_URL": issuer,
            "SALLYPORT_TRUSTED_PROXY_COUNT": "1",
            "SALLYPORT_MTLS__HEADER": "ClientCert",
            "SALLYPORT_MTLS__VERIFY_HEADER": "ClientVerify",
            "SALLYPORT_MTLS__PROXIES": '["127.0.0.1/32"]',
            "SALLYPORT_OUTBOUND__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "SALLYPORT_OUTBOUND__CA_FILE": str(server.trusted),
        }
        with Instance(with_demo=True, with_worker=True, environment=settings) as instance:
            stage = Stage(instance, issuer, server, homes, {}, behind)
            behind.serve("/", b"the books", content_type="text/plain")
            behind.serve("/bye", b"signed out", content_type="text/plain")
            proxy = PROXY.format(port=instance.port, trusted=server.trusted)
            server.add_site(front, proxy)
            for name, authentication in _applications(stage):
                site = RELYING_PARTY.format(
                    issuer=issuer,
                    client_id=stage.clients[name]["client_id"],
                    home=homes[name],
                    trusted=server.trusted,
                    authentication=authentication,
                    port=behind.port,
                )
                server.add_site(ports[name], site)
            server.start()
            yield stage


def _applications(stage: Stage) -> Iterator[tuple[str, str]]:
    """Register both; the directives by which each authenticates itself."""
    for name, home in stage.homes.items():
        key = RSAKey.generate_key(2048, {"kid": "vault-1", "use": "sig"})
        method: dict[str, Any] = {"token_endpoint_auth_method": "client_secret_basic"}
        if name == "vault":
            method = {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": "RS256",
                "jwks": {"keys": [key.as_dict(private=False)]},
            }
        registered = stage.registered(
            client_name=name,
            redirect_uris=[f"{home}/signed-in"],
            post_logout_redirect_uris=[f"{home}/bye"],
            grant_types=["authorization_code", "refresh_token"],
            backchannel_logout_uri=f"{home}/signed-in?logout=backchannel",
            **method,
        )
        stage.clients[name] = registered
        if name == "ledger":
            yield name, f"OIDCClientSecret {registered['client_secret']}"
        else:
            private = stage.httpd.write("vault.key", key.as_pem(private=True))
            public = stage.httpd.write("vault.pem", key.as_pem(private=False))
            yield (
                name,
                KEYS.format(private=private, public=public),
            )


@pytest.fixture(scope="module")
def alice(stage: Stage) -> Visitor:
    return Visitor(stage.person("alice@acme.example"))


class TestModAuthOpenidc:
    @pytest.mark.parametrize("name", NAMES)
    def test_it_signs_a_person_in(self, stage: Stage, alice: Visitor, name: str) -> None:
        """Ledger by its secret, Vault by private_key_jwt, both with PKCE."""
        asked = _sign_in(stage, alice, name)

        assert asked["code_challenge_method"] == ["S256"]
        (_, _, told, _) = stage.behind.requests[-1]
        assert told["X-Remote-User"] == told["OIDC_CLAIM_sub"]
        assert told["OIDC_CLAIM_iss"] == stage.issuer
        assert told["OIDC_CLAIM_aud"] == stage.clients[name]["client_id"]
        assert told["OIDC_CLAIM_acr"] == "aal2"

    def test_it_asks_userinfo(self, stage: Stage, alice: Visitor) -> None:
        _sign_in(stage, alice, "ledger")

        (_, _, told, _) = stage.behind.requests[-1]
        assert told["OIDC_CLAIM_email"] == "alice@acme.example"
        assert told["OIDC_CLAIM_name"] == "Alice Arden"

    @pytest.mark.parametrize("name", NAMES)
    def test_it_refreshes(self, stage: Stage, alice: Visitor, name: str) -> None:
        _sign_in(stage, alice, name)
        (_, _, before, _) = stage.behind.requests[-1]
        home, token = stage.homes[name], before["OIDC_access_token"]
        asked = urlencode({"refresh": f"{home}/", "access_token": token})

        page = alice.visit(f"{home}/signed-in?{asked}")

        assert (str(page.url), page.text) == (f"{home}/", "the books"), stage.httpd.logs()
        (_, _, after, _) = stage.behind.requests[-1]
        assert after["OIDC_access_token"] != token
        assert after["OIDC_CLAIM_sub"] == before["OIDC_CLAIM_sub"]

    def test_signing_out_ends_the_session_here_and_tells_the_other_application(
        self, stage: Stage
    ) -> None:
        bob = Visitor(stage.person("bob@acme.example"))
        for name in NAMES:
            _sign_in(stage, bob, name)
        home = stage.homes["vault"]

        end = bob.visit(f"{home}/signed-in?{urlencode({'logout': f'{home}/bye'})}")

        assert (str(end.url), end.text) == (f"{home}/bye", "signed out")
        assert bob.http.get(stage.homes["vault"] + "/").status_code == 302
        silent = bob.http.get(_asks(bob, "ledger", stage) + "&prompt=none")
        assert "error=login_required" in silent.headers["Location"]
        # Nothing but the logout token, which the worker posts, can tell Ledger of it.
        deadline = time.monotonic() + TOLD_WITHIN_SECONDS
        while (status := bob.http.get(stage.homes["ledger"] + "/").status_code) != 302:
            assert time.monotonic() < deadline, (status, stage.instance.logs("worker")[-2000:])
            time.sleep(0.1)


class TestTls:
    def test_cookies_are_for_this_host_alone_and_tls_is_remembered(
        self, stage: Stage, alice: Visitor
    ) -> None:
        _sign_in(stage, alice, "ledger")
        ours = [page for page in alice.visited if str(page.url).startswith(stage.issuer)]
        cookies = [text for page in ours for text in page.headers.get_list("Set-Cookie")]

        assert {text.partition("=")[0] for text in cookies} >= {
            *("__Host-session", "__Host-csrf", "__Host-browser"),
        }
        assert all(text.startswith("__Host-") and "Secure" in text for text in cookies)
        assert all("Domain" not in text for text in cookies)
        pages = [page for page in ours if page.status_code == 200]
        assert pages
        assert all("max-age=" in page.headers["Strict-Transport-Security"] for page in pages)

    def test_every_address_of_discovery_is_https(self, stage: Stage) -> None:
        found = httpx.get(f"{stage.issuer}/.well-known/openid-configuration", verify=trusting())

        addresses = [
            value for value in found.json().values() if isinstance(value, str) and "://" in value
        ]
        assert addresses
        assert all(value.startswith(stage.issuer) for value in addresses)

    def test_nobody_chooses_their_address(self, stage: Stage) -> None:
        """WSGI cannot tell X_Forwarded_For from X-Forwarded-For: the proxy has to."""
        secret = _machine(stage)
        forged = [
            ("X-Forwarded-For", "203.0.113.1"),
            *(("X_Forwarded_For", "203.0.113.2"), ("X-Forwarded_For", "203.0.113.3")),
            *(("X_Forwarded-For", "203.0.113.4"), ("X_Forwarded_Proto", "http")),
        ]

        answer = httpx.post(
            f"{stage.issuer}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(secret["client_id"], secret["client_secret"]),
            headers=forged,
            verify=trusting(),
        )

        assert answer.status_code == 200
        with stage.instance.connect() as connection:
            row = connection.execute(
                "SELECT host(address) FROM audit_auditevent WHERE event = 'idp.token.issued' "
                "ORDER BY at DESC LIMIT 1"
            ).fetchone()
        assert row == ("127.0.0.1",)


class TestClientCertificates:
    """From the handshake with Apache to `cnf` (RFC 8705)."""

    def test_discovery_lists_both_methods(self, stage: Stage) -> None:
        found = httpx.get(f"{stage.issuer}/.well-known/openid-configuration", verify=trusting())

        assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(
            found.json()["token_endpoint_auth_methods_supported"]
        )

    @pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
    def test_a_certificate_authenticates_and_binds_the_token(
        self, stage: Stage, method: str
    ) -> None:
        holder = Holder.of(stage, method)

        issued = holder.post("token", grant_type="client_credentials")

        assert issued.status_code == 200, issued.text
        known = holder.post("introspect", token=issued.json()["access_token"]).json()
        assert known["active"] is True
        assert known["cnf"] == {"x5t#S256": holder.thumbprint}

    def test_an_authority_that_the_proxy_does_not_know_is_not_enough(self, stage: Stage) -> None:
        holder = Holder.of(stage, "tls_client_auth", signed_by="Strangers")

        issued = holder.post("token", grant_type="client_credentials")

        assert (issued.status_code, issued.json()["error"]) == (401, "invalid_client")

    def test_another_certificate_is_refused(self, stage: Stage) -> None:
        holder = Holder.of(stage, "self_signed_tls_client_auth")
        other = Holder.of(stage, "self_signed_tls_client_auth")

        issued = holder.post("token", grant_type="client_credentials", trust=other.trust)

        assert issued.status_code == 401

    @pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
    def test_a_header_in_place_of_a_handshake_is_worth_nothing(
        self, stage: Stage, method: str
    ) -> None:
        holder = Holder.of(stage, method)
        forged = {"ClientCert": quote(holder.certificate), "ClientVerify": "SUCCESS"}

        issued = holder.post(
            "token", grant_type="client_credentials", trust=trusting(), headers=forged
        )

        assert (issued.status_code, issued.json()["error"]) == (401, "invalid_client")

    def test_a_persons_token_is_good_with_the_certificate_only(
        self, stage: Stage, alice: Visitor
    ) -> None:
        holder = Holder.of(stage, "self_signed_tls_client_auth", grant_types=["authorization_code"])
        asked = {
            "client_id": holder.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email",
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
        }
        answer = alice.visit(f"{stage.issuer}/oauth/authorize?{urlencode(asked)}", until=CALLBACK)
        (code,) = parse_qs(urlsplit(answer.extensions["leads_to"]).query)["code"]

        issued = holder.post(
            "token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

        bearer = {"Authorization": f"Bearer {issued.json()['access_token']}"}
        address = f"{stage.issuer}/oauth/userinfo"
        said = httpx.get(address, headers=bearer, verify=holder.trust)
        assert said.json()["email"] == "alice@acme.example"
        without = httpx.get(address, headers=bearer, verify=trusting())
        assert without.status_code == 401
        assert 'error="invalid_token"' in without.headers["WWW-Authenticate"]


@dataclass
class Holder:
    """A client that comes with a certificate. certificate: PEM. trust: TLS by that certificate."""

    issuer: str
    client_id: str
    certificate: str
    trust: ssl.SSLContext

    @classmethod
    def of(
        cls,
        stage: Stage,
        method: str,
        *,
        signed_by: str = "Tests",
        grant_types: Sequence[str] = ("client_credentials",),
    ) -> Self:
        name = f"m{new_token(6)}"
        if method == "tls_client_auth":
            certificate, key = authority(signed_by).sign([], COMMON_NAME=name)
            metadata: dict[str, Any] = {"tls_client_auth_subject_dn": f"CN={name}"}
        else:
            certificate, key = self_signed(COMMON_NAME=name)
            metadata = {"jwks": {"keys": [ECKey.import_key(key).as_dict(private=False)]}}
        registered = stage.registered(
            client_name=name,
            redirect_uris=[CALLBACK] if "authorization_code" in grant_types else [],
            response_types=["code"] if "authorization_code" in grant_types else [],
            grant_types=list(grant_types),
            token_endpoint_auth_method=method,
            tls_client_certificate_bound_access_tokens=True,
            **metadata,
        )
        both = stage.httpd.write(f"{name}.pem", certificate + key)
        return cls(stage.issuer, registered["client_id"], certificate.decode(), trusting(str(both)))

    @property
    def thumbprint(self) -> str:
        return certificates.thumbprint(ssl.PEM_cert_to_DER_cert(self.certificate))

    def post(
        self,
        endpoint: str,
        *,
        trust: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None,
        **form: str,
    ) -> httpx.Response:
        return httpx.post(
            f"{self.issuer}/oauth/{endpoint}",
            data={"client_id": self.client_id} | form,
            headers=headers,
            verify=trust or self.trust,
        )


def _sign_in(stage: Stage, visitor: Visitor, name: str) -> dict[str, list[str]]:
    """Open the application, signed in or not; what it asked the product when it did last."""
    page = visitor.visit(stage.homes[name] + "/")
    assert (page.status_code, page.text) == (200, "the books"), stage.httpd.logs()
    return parse_qs(urlsplit(_asks(visitor, name, stage)).query)


def _asks(visitor: Visitor, name: str, stage: Stage) -> str:
    """The authorization request with which this application sent the visitor away."""
    found = [
        str(page.url)
        for page in visitor.visited
        if page.url.path == "/oauth/authorize"
        and page.url.params.get("client_id") == stage.clients[name]["client_id"]
    ]
    return found[-1]


def _machine(stage: Stage) -> dict[str, Any]:
    return stage.registered(
        client_name="machine",
        redirect_uris=[],
        response_types=[],
        grant_types=["client_credentials"],
        token_endpoint_auth_method="client_secret_basic",
    )
