"""The OpenAPI document: of every operation, the same in docs/, and open to everybody."""

import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse

from console.api.site import document
from tests.support.api import (
    ADMINISTRATORS,
    APPLICATIONS,
    OF_AN_ACCOUNT,
    OF_EVERY_ORGANISATION,
    PEOPLE,
)

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


def test_docs_have_it_as_it_is(capsys):
    call_command("describe_api")

    assert capsys.readouterr().out == (DOCS / "openapi.json").read_text(), (
        "manage.py describe_api > docs/openapi.json"
    )


@pytest.mark.django_db
def test_it_is_open_to_everybody():
    answer = Browser().get(reverse("api:document"))

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.content == document()


def operations():
    for path, methods in json.loads(document())["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_is_described_once_and_asks_for_a_token():
    told = [operation for _, _, operation in operations()]

    names = [operation["operationId"] for operation in told]
    assert sorted(f"api:{name}" for name in names) == sorted(
        PEOPLE | OF_AN_ACCOUNT | APPLICATIONS | ADMINISTRATORS | OF_EVERY_ORGANISATION
    )
    assert all(operation["security"] for operation in told)
    assert all(operation["description"] for operation in told)
    assert all("default" in operation["responses"] for operation in told)


def test_administration_is_told_from_the_rest():
    asks = {
        operation["operationId"]: {name for each in operation["security"] for name in each}
        for _, _, operation in operations()
    }

    for names, scheme in (
        (PEOPLE, "Own"), (OF_AN_ACCOUNT, "Account"), (APPLICATIONS, "ByItself"),
        (ADMINISTRATORS, "Administrator"), (OF_EVERY_ORGANISATION, "Everywhere"),
    ):  # fmt: skip
        for name in names:
            assert asks[name.removeprefix("api:")] == {scheme}, name


def test_no_two_schemas_share_a_name():
    """The document knows them by their names alone."""
    places = {}
    for module in (ROOT / "console" / "api").glob("*.py"):
        for name in re.findall(
            r"^class (\w+)\((?:Schema|Sent|\w+Terms)\)", module.read_text(), re.MULTILINE
        ):
            places.setdefault(name, []).append(module.name)

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_body_takes_what_it_does_not_know():
    schemas = json.loads(document())["components"]["schemas"]
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for _, _, operation in operations()
        if "requestBody" in operation
        for content in operation["requestBody"]["content"].values()
    }

    assert bodies
    assert [name for name in bodies if schemas[name]["additionalProperties"] is not False] == []


def test_docs_name_every_operation():
    page = (DOCS / "api.md").read_text()

    assert [
        f"{method.upper()} {path}"
        for path, method, _ in operations()
        if f"`{method.upper()} {path.removeprefix('/api/v1')}`" not in page
    ] == []
