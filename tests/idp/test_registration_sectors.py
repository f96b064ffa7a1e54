"""The list of a client's sector is fetched while nothing is locked, and judged under the lock."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.models import Organisation
from core import clock, outbound
from core.errors import Refusal
from idp.flows import register_client, update_client
from idp.models import Client, InitialAccessToken
from idp.registration import sectors
from tests import cast
from tests.support import registering
from tests.support.elsewhere import Elsewhere

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "https://other.acme.example/callback"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request to somebody else, whether a transaction was open meanwhile."""
    seen: list[bool] = []
    fetch = outbound.fetch

    def look(*args: Any, **options: Any) -> Any:
        seen.append(connections["default"].in_atomic_block)
        return fetch(*args, **options)

    monkeypatch.setattr(outbound, "fetch", look)
    return seen


@pytest.fixture
def sector(elsewhere: Elsewhere) -> str:
    return elsewhere.serve("/sector.json", json.dumps([cast.REDIRECT_URI, OTHER]).encode())


def client_of(acme: Organisation, **metadata: Any) -> Client:
    return register_client(
        organisation=acme, name="Wiki", kind="confidential", redirect_uris=[cast.REDIRECT_URI],
        metadata=metadata, now=clock.now(),
    ).client  # fmt: skip


def test_registering_and_changing_ask_before_the_transaction(
    acme: Organisation, sector: str, asked: list[bool]
) -> None:
    client = client_of(acme, sector_identifier_uri=sector)
    update_client(client=client, redirect_uris=[cast.REDIRECT_URI, OTHER], now=clock.now())

    assert asked == [False, False]


def test_so_do_applications_that_register_themselves(
    acme: Organisation, sector: str, asked: list[bool]
) -> None:
    token = registering.initial_token(acme)
    own = registering.register(token, sector_identifier_uri=sector).json
    reply = registering.manage(
        "PUT", own, client_id=own["client_id"], redirect_uris=[OTHER], sector_identifier_uri=sector
    )

    assert reply.status == 200
    assert asked == [False, False]


def test_a_change_that_leaves_it_alone_asks_nobody(
    acme: Organisation, sector: str, asked: list[bool]
) -> None:
    client = client_of(acme, sector_identifier_uri=sector)
    update_client(
        client=client, name="Renamed", redirect_uris=client.redirect_uris,
        metadata=client.metadata, now=clock.now(),
    )  # fmt: skip

    assert asked == [False]


def during_the_request(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something from elsewhere while the list is being fetched."""
    fetch = sectors.sector_list

    def meanwhile(known: Any) -> Any:
        found = fetch(known)
        act()
        return found

    monkeypatch.setattr(sectors, "sector_list", meanwhile)


def test_nobody_waits_for_the_row_meanwhile(
    acme: Organisation, sector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(acme, sector_identifier_uri=sector)

    def lock() -> None:
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM idp_client WHERE id = %s FOR UPDATE NOWAIT", [client.pk]
                )
        finally:
            other.close()

    during_the_request(monkeypatch, lock)
    update_client(client=client, redirect_uris=[OTHER], now=clock.now())

    client.refresh_from_db()
    assert client.redirect_uris == [OTHER]


def test_a_list_of_another_sector_counts_for_nothing(
    acme: Organisation, sector: str, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sector was changed after its list had been fetched."""
    narrow = elsewhere.serve("/narrow.json", json.dumps([cast.REDIRECT_URI]).encode())
    client = client_of(acme, sector_identifier_uri=sector)

    def change() -> None:
        metadata = {"sector_identifier_uri": narrow}
        Client.unscoped.filter(pk=client.pk).update(metadata=metadata)

    during_the_request(monkeypatch, change)
    with pytest.raises(Refusal) as refused:
        update_client(client=client, redirect_uris=[OTHER], now=clock.now())

    assert refused.value.code == "conflict"
    client.refresh_from_db()
    assert client.redirect_uris == [cast.REDIRECT_URI]


def test_a_bad_list_uses_no_token_up(acme: Organisation, elsewhere: Elsewhere) -> None:
    uri = elsewhere.serve("/sector.json", b"[]")

    reply = registering.register(registering.initial_token(acme), sector_identifier_uri=uri)

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert InitialAccessToken.unscoped.get().uses_left == 1
    assert not Client.unscoped.exists()


def test_an_open_transaction_around_a_change_is_noticed_by_these_tests(
    acme: Organisation, sector: str, asked: list[bool]
) -> None:
    with transaction.atomic():
        client_of(acme, sector_identifier_uri=sector)

    assert asked == [True]
