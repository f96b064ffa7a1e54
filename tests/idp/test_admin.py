"""Applications in the administration."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp.flows import update_client
from idp.models import Client
from idp.tasks import fetch_client_logos
from tests import cast
from tests.cast import Person
from tests.support import pictures
from tests.support.elsewhere import Elsewhere


@pytest.fixture
def admins(approver: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, approver)
    return visitor


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Wiki",
        "kind": "confidential",
        "redirect_uris": "https://wiki.acme.example/cb\nhttps://wiki.acme.example/cb2",
        "post_logout_redirect_uris": "",
        "grant_types": ["authorization_code", "refresh_token"],
        "scopes": "openid email",
        "required_acr": "aal2",
        "audience": "",
        "signing_alg": "ES256",
        "token_endpoint_auth_method": "",
    } | changes


class TestAdding:
    def test_the_secret_is_shown_once(
        self, admins: Browser, approver: Person, acme: Organisation
    ) -> None:
        response = admins.post("/admin/idp/client/add/", form())

        assert response.status_code == 200, response.content.decode()
        client = Client.objects.within(acme).get()
        page = response.content.decode()
        secret = page.partition('id="client-secret">')[2].partition("<")[0]
        assert client.has_secret(secret)
        assert "no-store" in response["Cache-Control"]
        assert secret not in str(admins.cookies)
        assert secret not in admins.get(f"/admin/idp/client/{client.pk}/change/").content.decode()
        assert client.redirect_uris == [
            "https://wiki.acme.example/cb", "https://wiki.acme.example/cb2",
        ]  # fmt: skip
        assert (client.scopes, client.required_acr) == (["openid", "email"], "aal2")
        event = AuditEvent.objects.get(event="idp.client.registered")
        assert event.actor == f"accounts.User:{approver.user.pk}"

    def test_a_public_client_has_no_secret_to_show(self, admins: Browser) -> None:
        response = admins.post("/admin/idp/client/add/", form(kind="public"))

        assert response.status_code == 302
        assert Client.unscoped.get().secret_digest is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uris": "http://wiki.acme.example/cb"},
            {"redirect_uris": ""},
            {"grant_types": []},
            {"grant_types": ["password"]},
            {"scopes": 'a"b'},
            {"name": "Wiki\u202e"},
            {"kind": "public", "token_endpoint_auth_method": "client_secret_basic"},
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"metadata": '{"frontchannel_logout_uri": "https://other.example/out"}'},
        ],
    )
    def test_what_cannot_be_registered_is_explained(
        self, admins: Browser, changes: dict[str, Any]
    ) -> None:
        response = admins.post("/admin/idp/client/add/", form(**changes))

        assert response.status_code == 200
        assert "errorlist" in response.content.decode()
        assert not Client.unscoped.exists()

    def test_the_organisation_is_ones_own_whatever_the_form_says(
        self, admins: Browser, acme: Organisation, globex: Organisation
    ) -> None:
        admins.post("/admin/idp/client/add/", form(organisation=str(globex.pk)))

        assert Client.unscoped.get().organisation == acme


class TestChanging:
    def test_a_change_goes_through_audit(self, admins: Browser, acme_web: Client) -> None:
        url = f"/admin/idp/client/{acme_web.pk}/change/"

        assert admins.post(url, form(name="New")).status_code == 302

        acme_web.refresh_from_db()
        assert acme_web.name == "New"
        assert AuditEvent.objects.get(event="idp.client.updated").facts["changed"]["name"] == "New"

    def test_what_became_of_its_logo_is_told(
        self, admins: Browser, acme_web: Client, elsewhere: Elsewhere
    ) -> None:
        def told() -> str:
            page = admins.get(f"/admin/idp/client/{acme_web.pk}/change/").content.decode()
            return (
                page.partition("Logo:")[2].partition('<div class="readonly">')[2].partition("<")[0]
            )

        assert told() == "none registered"
        uri = elsewhere.serve("/logo", b"<svg/>", content_type="image/png")
        update_client(client=acme_web, metadata={"logo_uri": uri}, now=clock.now())
        assert told() == "not shown: not fetched yet"
        fetch_client_logos()
        assert told() == "not shown: it is no PNG, JPEG, GIF or WebP"
        elsewhere.serve("/logo", pictures.gif(), content_type="image/png")
        clock.shift(timedelta(minutes=11))
        try:
            fetch_client_logos()
            assert told().startswith("shown, as fetched ")
        finally:
            clock.reset()

    def test_neither_kind_nor_client_id_can_be_changed(
        self, admins: Browser, acme_web: Client
    ) -> None:
        url = f"/admin/idp/client/{acme_web.pk}/change/"

        admins.post(url, form(kind="public", client_id="evil"))

        acme_web.refresh_from_db()
        assert (acme_web.kind, acme_web.client_id) == ("confidential", "acme-web")

    def test_clients_of_another_organisation_do_not_exist(
        self, admins: Browser, acme_web: Client, globex_web: Client
    ) -> None:
        listed = admins.get("/admin/idp/client/").content.decode()
        url = f"/admin/idp/client/{globex_web.pk}/change/"

        assert "acme-web" in listed
        assert "globex-web" not in listed
        assert admins.post(url, form()).status_code in {302, 403, 404}
        globex_web.refresh_from_db()
        assert globex_web.name == "Globex Web"

    def test_a_new_secret_replaces_the_old_one(self, admins: Browser, acme_web: Client) -> None:
        response = admins.post(
            "/admin/idp/client/", {"action": "rotate_secret", "_selected_action": [acme_web.pk]}
        )

        secret = response.content.decode().partition('id="client-secret">')[2].partition("<")[0]
        acme_web.refresh_from_db()
        assert acme_web.has_secret(secret)
        assert not acme_web.has_secret(cast.SECRET)

    def test_switching_off_does_not_delete(self, admins: Browser, acme_web: Client) -> None:
        admins.post(
            "/admin/idp/client/", {"action": "deactivate", "_selected_action": [acme_web.pk]}
        )

        acme_web.refresh_from_db()
        assert not acme_web.is_active
        assert admins.post(f"/admin/idp/client/{acme_web.pk}/delete/").status_code == 403

    def test_employees_have_no_way_in(self, employee: Person, acme_web: Client) -> None:
        visitor = Browser()
        cast.sign_in(visitor, employee)

        assert visitor.get("/admin/idp/client/").status_code in {302, 404}
