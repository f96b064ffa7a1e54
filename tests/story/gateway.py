"""A gateway of acme's: people sign in to it, and it asks what they may do."""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.browser.applications import VERIFIER
from tests.browser.steps import authorize_url
from tests.story.stage import Stage
from tests.support.instance import free_port

SCOPES = ("openid", "roles", "offline_access", "authzen")


@dataclass
class Gateway:
    stage: Stage
    client_id: str
    secret: str
    callback: str  # nothing answers there: the address says all

    def sign_in(self) -> dict[str, Any]:
        """Tokens of whoever the story's browser is signed in as; the browser leaves for nowhere."""
        page = self.stage.open_page()
        url = authorize_url(
            self.stage.instance, client_id=self.client_id, redirect_uri=self.callback,
            scope="openid roles offline_access",
        )  # fmt: skip
        with page.expect_request(f"{self.callback}**") as sent:
            page.evaluate("url => { window.location.assign(url); }", url)
        code = parse_qs(urlsplit(sent.value.url).query)["code"][0]
        page.close()
        return self.ask(
            "/oauth/token",
            grant_type="authorization_code",
            code=code,
            code_verifier=VERIFIER,
            redirect_uri=self.callback,
        )

    def refresh(self, tokens: dict[str, Any]) -> dict[str, Any]:
        return self.ask(
            "/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]
        )

    def introspect(self, tokens: dict[str, Any]) -> dict[str, Any]:
        return self.ask("/oauth/introspect", token=tokens["access_token"])

    def own_token(self) -> str:
        """What it asks policy with."""
        mine = self.ask("/oauth/token", grant_type="client_credentials", scope="authzen")
        return str(mine["access_token"])

    def may(self, email: str, *, token: str, **context: str) -> dict[str, Any]:
        """Ask policy (AuthZEN 1.0) whether somebody may manage the crew's database."""
        question = {
            "subject": {"type": "user", "id": email},
            "action": {"name": "manage"},
            "resource": {"type": "database", "id": "crew"},
            "context": context,
        }
        reply = httpx.post(
            f"{self.stage.instance.base_url}/access/v1/evaluation",
            json=question,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        self.stage.demand(reply.status_code == 200, f"evaluation: {reply.text}")
        return dict(reply.json())

    def ask(self, path: str, **form: str) -> dict[str, Any]:
        reply = httpx.post(
            f"{self.stage.instance.base_url}{path}",
            data=form,
            auth=(self.client_id, self.secret),
            timeout=30,
        )
        self.stage.demand(reply.status_code == 200, f"{path}: {reply.text}")
        return dict(reply.json())


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says; whoever relies on it checks its signature, which is not the story's."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def open_gateway(stage: Stage) -> Gateway:
    words = ["register_client", "acme", "Harbour Gateway", "--first-party"]
    callback = f"http://localhost:{free_port()}/callback"
    words += ["--redirect-uri", callback]
    for name in ("authorization_code", "refresh_token", "client_credentials"):
        words += ["--grant-type", name]
    for name in SCOPES:
        words += ["--scope", name]
    said = stage.instance.manage(*words)
    found = dict(re.findall(r"(client_id|client_secret): (\S+)", said))
    return Gateway(stage, found["client_id"], found["client_secret"], callback)
