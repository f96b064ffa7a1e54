"""A gateway that asks policy (AuthZEN): acme's, or another organisation's."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts import flows
from accounts.models import Group, Organisation, Role, User
from core import clock
from core.ids import digest
from idp.models import Client
from policy import engine
from tests import cast
from tests.support import oauth

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCH = "/access/v1/search/"


def gateway(of: Organisation, *, name: str = "", **metadata: Any) -> Client:
    """A client that may ask; metadata: what else is registered of it."""
    return cast.client(
        name or f"{of.slug}-gateway", of, grant_types=["client_credentials"], scopes=["authzen"],
        metadata=metadata,
    )  # fmt: skip


def token_of(client: Client, **form: Any) -> str:
    reply = oauth.token(client, {"grant_type": "client_credentials", **form})
    assert reply.status == 200, reply.body
    text: str = reply.json["access_token"]
    return text


class Asker:
    """Somebody with an access token, which may be none at all."""

    def __init__(self, client: Client | None = None, *, token: str = "") -> None:
        self.token = token or (token_of(client) if client is not None else "")

    def send(self, path: str, body: Any, **environ: Any) -> oauth.Reply:
        """body: an object, or bytes as they are to be sent."""
        text = body.decode("latin-1") if isinstance(body, bytes) else json.dumps(body)
        authorization = f"Bearer {self.token}" if self.token else None
        sent: dict[str, Any] = {"content_type": "application/json", **environ}
        return oauth.send("POST", path, form=text, authorization=authorization, **sent)

    def ask(self, subject: str, action: str, resource: str, **context: Any) -> dict[str, Any]:
        """A single question, by the short form of `question`; the answer is an object."""
        reply = self.send(EVALUATION, question(subject, action, resource, **context))
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json
        return told

    def may(self, subject: str, action: str, resource: str, **context: Any) -> bool:
        told = self.ask(subject, action, resource, **context)["decision"]
        assert isinstance(told, bool)
        return told

    def search(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self.send(SEARCH + kind, body)
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json
        return told


def question(subject: str, action: str, resource: str, **context: Any) -> dict[str, Any]:
    """subject: an id or address of a user, or "client name"; resource: "type name"."""
    kind, _, name = subject.rpartition(" ")
    resource_type, _, resource_id = resource.partition(" ")
    asked: dict[str, Any] = {
        "subject": {"type": kind or "user", "id": name},
        "action": {"name": action},
        "resource": {"type": resource_type, "id": resource_id},
    }
    return asked | ({"context": context} if context else {})


def reasons_of(told: dict[str, Any]) -> list[str]:
    """What the administrator is told of a denial."""
    assert told["decision"] is False
    reasons: str = told["context"]["reason_admin"]["en"]
    return reasons.split(", ")


_kept: list[Any] = []  # an engine dies with the thread that made it, and in no other


@contextmanager
def policy_of(rules: Path, folder: Path) -> Iterator[None]:
    """The shipped bundle with other rules for AuthZEN, as an installation may have its own."""
    shipped: Path = settings.POLICY_DIR
    for module in shipped.glob("*.rego"):
        shutil.copy(module, folder)
    shutil.copy(rules, folder / "authzen.rego")
    engine.configure(folder)
    try:
        yield
    finally:
        _kept.append(engine._Engine.evaluator)
        engine.configure(shipped)


def named(of: Organisation, username: str, *, roles: Sequence[str] = (), group: str = "") -> User:
    """Somebody whom applications know by a user name, with roles that are made where needed."""
    now = clock.now()
    user = User.objects.create_user(
        email=f"{digest(username).hex()[:12]}@{of.slug}.example", organisation=of, now=now
    )
    flows.update_profile(
        user=user, name=username[:60], claims={"preferred_username": username}, address={}, now=now
    )
    for name in roles:
        role = Role.objects.within(of).filter(name=name).first()
        role = role or flows.create_role(organisation=of, name=name, now=now)
        flows.assign_role(user=user, role=role, now=now)
    if group:
        found = Group.objects.within(of).filter(name=group).first()
        found = found or flows.create_group(organisation=of, name=group, now=now)
        flows.add_group_member(group=found, user=user, now=now)
    return user


def actions(of: Organisation, resource_type: str, *names: str) -> None:
    """Let actions on a type be known: some role allows them, which nobody needs to hold."""
    role = flows.create_role(organisation=of, name=f"{resource_type}-all", now=clock.now())
    for name in names:
        flows.give_permission(role=role, resource_type=resource_type, action=name, now=clock.now())
