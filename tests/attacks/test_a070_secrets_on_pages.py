"""A070: a stored secret is read back: by the administration, its lists, forms, and the audit trail."""

import base64
import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client as Browser
from django.urls import reverse

from audit.models import AuditEvent
from core import clock
from core.ids import digest
from idp import flows
from idp.models import Client
from protection.fields import SealedField
from tests import cast
from tests.cast import PASSWORD, Person
from tests.support.registering import initial_token, register

pytestmark = pytest.mark.django_db

SAID_OF_SECRETS = ("secret", "digest", "sealed", "seed", "private", "password", "salt", "stamp")


def secret_fields(model: type[models.Model]) -> set[str]:
    """What no page may show: sealed and binary columns, and what is named after a secret."""
    return {
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, SealedField | models.BinaryField)
        or any(word in field.name for word in SAID_OF_SECRETS)
    }


OURS = [model for model in apps.get_models() if secret_fields(model)]


@pytest.fixture
def superuser(approver: Person) -> Browser:
    approver.user.is_superuser = True
    approver.user.save(update_fields=["is_superuser"])
    browser = Browser()
    cast.sign_in(browser, approver)
    return browser


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_no_administration_names_a_secret(model: type[models.Model], rf: Any) -> None:
    registered = admin.site._registry.get(model)
    if registered is None:
        return  # not to be seen at all
    request = rf.get("/admin/")
    request.user = type("Superuser", (), {"is_superuser": True, "is_staff": True, "pk": 1})()
    shown: set[str] = set()
    for each in (registered.list_display, registered.search_fields, registered.list_filter):
        shown |= {str(name) for name in each}
    for obj in (None, model()):
        shown |= {str(name) for name in registered.get_readonly_fields(request, obj)}
    form = registered.form
    shown |= set(form.base_fields)

    assert not {name for name in shown if name.split("__")[0] in secret_fields(model)}


@pytest.fixture
def canaries(acme: Any, employee: Person) -> list[str]:
    """Secrets of every kind, as text, as their digest, and as what the row holds."""
    made = flows.register_client(
        organisation=acme, name="Vault", kind="confidential", now=clock.now(),
        redirect_uris=[cast.REDIRECT_URI], token_endpoint_auth_method="client_secret_jwt",
    )  # fmt: skip
    token = initial_token(acme)
    own = register(token).json["registration_access_token"]
    assert made.secret is not None
    assert employee.totp_seed is not None
    secrets = [made.secret, token, own, PASSWORD, employee.totp_secret]
    hidden = [digest(secret) for secret in secrets] + [employee.totp_seed]
    for model in OURS:
        for row in model._base_manager.values(*secret_names(model)):
            hidden += [bytes(v) for v in row.values() if isinstance(v, bytes | memoryview)]
    texts = [text for raw in hidden if len(raw) >= 16 for text in spelt(raw)]
    return [*secrets, employee.user.password, *texts]


def secret_names(model: type[models.Model]) -> list[str]:
    return [f.name for f in model._meta.concrete_fields if isinstance(f, models.BinaryField)]


def spelt(raw: bytes) -> list[str]:
    return [raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]


def test_no_list_and_no_form_shows_one(superuser: Browser, canaries: list[str]) -> None:
    seen = 0
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"admin:{name}_changelist")]
        addresses += [
            reverse(f"admin:{name}_change", args=[pk])
            for pk in model._base_manager.values_list("pk", flat=True)[:5]
        ]
        for address in addresses:
            response = superuser.get(address)
            assert response.status_code in {200, 403}, address
            page = response.content.decode()
            seen += response.status_code == 200
            for canary in canaries:
                assert canary not in page, address

    assert seen > 10


def test_the_audit_trail_holds_none(canaries: list[str], superuser: Browser) -> None:
    rows = [json.dumps(row, default=str) for row in AuditEvent.objects.values()]

    assert rows
    for canary in canaries:
        assert not any(canary in row for row in rows)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_registration_is_read_back_without_its_secret(acme: Any, method: str) -> None:
    """RFC 7592 §3 lets it be repeated; a digest cannot be, and is not shown either."""
    from tests.support.registering import manage

    registered = register(initial_token(acme)).json
    client = Client.unscoped.get()
    members = {"client_id": client.client_id, "redirect_uris": [cast.REDIRECT_URI]}

    answer = manage(method, registered, **(members if method == "PUT" else {}))

    assert answer.status == 200
    assert "client_secret" not in answer.json
    assert bytes(client.secret_digest or b"").hex() not in answer.body.decode()
