"""Requests to the product: signing in, keeping signed in, and calls of the API."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from sallyport_cli import keeping
from sallyport_cli.failure import Code, Failure
from sallyport_cli.keeping import Kept

API = "/api/v1"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
TIMEOUT_SECONDS = 30.0
SPARE_SECONDS = 30  # an access token that ends so soon is not used any more
UNAVAILABLE = {429, 502, 503, 504}
OK, NO_CONTENT, UNAUTHORIZED, SERVER_ERROR = 200, 204, 401, 500

Say = Callable[[str], None]


class Server:
    """The product at an address. http: whatever sends requests, made anew unless it is given."""

    def __init__(self, issuer: str, *, http: httpx.Client | None = None) -> None:
        parts = urlsplit(issuer)
        is_here = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or is_here):
            raise Failure(Code.REFUSED, "Give the address of Sallyport, beginning with https://.")
        self.issuer = issuer.rstrip("/")
        self.http = http or httpx.Client(timeout=TIMEOUT_SECONDS)

    # --- signing in -------------------------------------------------------------------------------

    def sign_in(self, client_id: str, *, scope: str, say: Say) -> Kept:
        """Have a person allow it at a browser (RFC 8628), and keep the tokens."""
        metadata = self._metadata()
        asked = self._form(
            metadata["device_authorization_endpoint"], {"client_id": client_id, "scope": scope}
        )
        started = _expect(asked)
        say(f"Open {started['verification_uri_complete']}")
        say(f"and allow this, if it shows the code {started['user_code']}.")
        form = {
            "grant_type": DEVICE_CODE,
            "device_code": started["device_code"],
            "client_id": client_id,
        }
        told = self._poll(metadata["token_endpoint"], form, started)
        kept = _kept(told, Kept(self.issuer, client_id, "", "", 0))
        keeping.write(kept)
        return kept

    def sign_out(self, kept: Kept) -> None:
        """Give the tokens back (RFC 7009); the browser stays signed in."""
        self._form(
            self._metadata()["revocation_endpoint"],
            {"client_id": kept.client_id, "token": kept.refresh_token or kept.access_token},
        )
        keeping.forget()

    def _poll(self, endpoint: str, form: dict[str, str], started: dict[str, Any]) -> dict[str, Any]:
        wait, ends_at = int(started.get("interval", 5)), time.time() + started["expires_in"]
        while time.time() < ends_at:
            time.sleep(wait)
            answer = self._form(endpoint, form)
            if answer.status_code == OK:
                return _expect(answer)
            error = _json(answer).get("error")
            if error == "slow_down":
                wait += 5
            elif error == "access_denied":
                raise Failure(Code.REFUSED, "It was not allowed.")
            elif error != "authorization_pending":
                break
        raise Failure(Code.NOT_SIGNED_IN, "The code has run out: sign in again.")

    def _metadata(self) -> dict[str, Any]:
        answer = self._send("GET", f"{self.issuer}/.well-known/oauth-authorization-server")
        told = _expect(answer)
        if told.get("issuer") != self.issuer:
            raise Failure(Code.REFUSED, f"{self.issuer} is not the address that it has itself.")
        return told

    # --- calls ------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One call of the API, with a token that is good; raises Failure for a refusal."""
        kept = self._fresh(keeping.read())
        answer = self._call(kept, method, path, body, query)
        if answer.status_code == UNAUTHORIZED and _json(answer).get("code") == "invalid_token":
            answer = self._call(self._refreshed(kept), method, path, body, query)
        if answer.is_success:
            return _json(answer)
        raise self._failure(_json(answer), answer)

    def _call(
        self, kept: Kept, method: str, path: str, body: Any, query: dict[str, Any]
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {kept.access_token}"}
        address = f"{self.issuer}{API}{path}"
        return self._send(method, address, json=body, params=query, headers=headers)

    def _fresh(self, kept: Kept) -> Kept:
        return kept if kept.expires_at - time.time() > SPARE_SECONDS else self._refreshed(kept)

    def _refreshed(self, before: Kept) -> Kept:
        """New tokens in place of these, unless another process has them already."""
        with keeping.alone():
            kept = keeping.read()
            if kept.access_token != before.access_token:
                return kept
            if not kept.refresh_token:
                raise Failure(Code.NOT_SIGNED_IN, "You are signed out: sign in again.")
            form = {
                "grant_type": "refresh_token",
                "refresh_token": kept.refresh_token,
                "client_id": kept.client_id,
            }
            answer = self._form(self._metadata()["token_endpoint"], form)
            if answer.status_code != OK:
                if answer.status_code in UNAVAILABLE:
                    raise Failure(Code.AWAY, "Sallyport cannot answer now. Try again.")
                raise Failure(Code.NOT_SIGNED_IN, "You are signed out: sign in again.")
            fresh = _kept(_expect(answer), kept)
            keeping.write(fresh)
            return fresh

    def _failure(self, problem: dict[str, Any], answer: httpx.Response) -> Failure:
        code, detail = problem.get("code"), str(problem.get("detail", answer.reason_phrase))
        if code == "insufficient_user_authentication":
            asked = {"acr": problem.get("acr_values", ""), "next": "/"}
            if problem.get("max_age") is not None:
                asked["max_age"] = problem["max_age"]
            page = f"{self.issuer}/step-up/?{urlencode(asked)}"
            return Failure(
                Code.PROOF_NEEDED,
                f"{detail}\nProve it in the browser that you signed in with, and then try again:\n"
                f"{page}",
            )
        if code == "invalid_token":
            return Failure(Code.NOT_SIGNED_IN, "You are signed out: sign in again.")
        if answer.status_code in UNAVAILABLE or answer.status_code >= SERVER_ERROR:
            return Failure(Code.AWAY, detail)
        lines = [f"{each['name']}: {each['reason']}" for each in problem.get("errors") or ()]
        return Failure(Code.REFUSED, "\n".join([detail, *lines]))

    # --- the wire ---------------------------------------------------------------------------------

    def _form(self, address: str, form: dict[str, str]) -> httpx.Response:
        if not address.startswith(f"{self.issuer}/"):
            raise Failure(Code.REFUSED, f"{address} is not at {self.issuer}.")
        return self._send("POST", address, data=form)

    def _send(self, method: str, address: str, **parts: Any) -> httpx.Response:
        try:
            return self.http.request(method, address, **parts)
        except httpx.HTTPError as error:
            raise Failure(Code.AWAY, f"{self.issuer} does not answer: {error}") from error


def _kept(told: dict[str, Any], before: Kept) -> Kept:
    return replace(
        before,
        access_token=told["access_token"],
        refresh_token=told.get("refresh_token", ""),
        expires_at=int(time.time()) + int(told["expires_in"]),
    )


def _expect(answer: httpx.Response) -> dict[str, Any]:
    told = _json(answer)
    if answer.status_code == OK and told:
        return told
    said = told.get("error_description") or told.get("detail") or answer.reason_phrase
    code = Code.AWAY if answer.status_code >= SERVER_ERROR else Code.REFUSED
    raise Failure(code, f"{answer.url.host}: {said}")


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The object, {} for whatever is none."""
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
