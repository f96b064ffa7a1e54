"""Connectors in the administration."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from devices.models import CheckResult, Connector, DeviceIdentifier
from tests import cast
from tests.cast import Person
from tests.support.connectors import call, connector, failing, laptop, said

ADD = "/admin/devices/connector/add/"
LIST = "/admin/devices/connector/"


@pytest.fixture
def admins(approver: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, approver)
    return visitor


def form(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "fleet",
        "name": "Fleet",
        "authentication": "secret",
        "mapped": "Disk encryption = disk_encryption\n\nIs it = on? = firewall",
        "access_issuer": "",
        "access_audience": "",
    } | changes


def act(admins: Browser, action: str, *rows: Any, of: str = LIST) -> Any:
    return admins.post(
        of, {"action": action, "_selected_action": [str(row.pk) for row in rows]}, follow=True
    )


class TestAdding:
    def test_the_secret_is_shown_once(self, admins: Browser, approver: Person) -> None:
        response = admins.post(ADD, form())

        assert response.status_code == 200
        made = Connector.unscoped.get()
        page = response.content.decode()
        secret = page.partition('id="connector-secret">')[2].partition("<")[0]
        assert call(made, [], secret=secret).status_code == 200
        assert "no-store" in response["Cache-Control"]
        assert made.checks == {"Disk encryption": "disk_encryption", "Is it = on?": "firewall"}
        page = admins.get(f"{LIST}{made.pk}/change/").content.decode()
        assert secret not in page
        assert "Is it = on? = firewall" in page
        event = AuditEvent.objects.get(event="devices.connector.created")
        assert event.actor == f"accounts.User:{approver.user.pk}"

    @pytest.mark.parametrize(
        "changes",
        [
            {"mapped": "firewall"},
            {"mapped": "x = shoe_size"},
            {"authentication": "none"},
            {"kind": "cloudflare", "authentication": "access_token"},
            {"name": ""},
        ],
        ids=["no name", "no check", "no proof", "no team", "nameless"],
    )
    def test_what_does_not_fit_is_said_on_the_form(self, admins: Browser, changes) -> None:
        response = admins.post(ADD, form(**changes))

        assert response.status_code == 200
        assert "errornote" in response.content.decode()
        assert Connector.unscoped.count() == 0

    def test_behind_access_there_is_no_secret(self, admins: Browser) -> None:
        response = admins.post(
            ADD,
            form(
                kind="cloudflare",
                authentication="access_token",
                mapped="",
                access_issuer="https://acme.cloudflareaccess.com",
                access_audience="32eafc76",
            ),
        )

        assert response.status_code == 302
        assert Connector.unscoped.get().access_audience == "32eafc76"


class TestChanging:
    def test_it_shows_what_its_kind_has(self, admins: Browser, acme) -> None:
        fleet = connector(acme).connector
        table = connector(acme, "mdm", "none").connector
        gateway = connector(
            acme, "cloudflare", "access_token",
            access_issuer="https://acme.cloudflareaccess.com", access_audience="32eafc76",
        ).connector  # fmt: skip
        pages = [
            admins.get(f"{LIST}{row.pk}/change/").content.decode()
            for row in (fleet, table, gateway)
        ]

        assert ["id_mapped" in page for page in pages] == [True, False, False]
        assert ["32eafc76" in page for page in pages] == [False, False, True]

    def test_only_the_map_can_change(self, admins: Browser, acme) -> None:
        made = connector(acme).connector

        admins.post(f"{LIST}{made.pk}/change/", form(name="Another", mapped="x = firewall"))

        made.refresh_from_db()
        assert (made.name, made.checks) == ("acme fleet", {"x": "firewall"})

    def test_a_new_secret_is_shown_once(self, admins: Browser, acme) -> None:
        made = connector(acme)

        page = act(admins, "rotate_secret", made.connector).content.decode()

        secret = page.partition('id="connector-secret">')[2].partition("<")[0]
        assert call(made.connector, [], secret=made.secret).status_code == 401
        assert call(made.connector, [], secret=secret).status_code == 200

    def test_where_there_is_none_it_is_said(self, admins: Browser, acme) -> None:
        page = act(admins, "rotate_secret", connector(acme, "mdm", "none").connector)

        assert "has no secret" in page.content.decode()

    def test_switching_off_and_forgetting(self, admins: Browser, acme) -> None:
        device = laptop(acme, fleet_host="17")
        made = connector(acme)
        call(made.connector, failing(), secret=made.secret)

        act(admins, "forget", made.connector)
        assert said(device, made.connector.source) == {}
        assert call(made.connector, [], secret=made.secret).status_code == 200

        act(admins, "switch_off", made.connector)
        assert call(made.connector, [], secret=made.secret).status_code == 401
        assert "switched off" in act(admins, "switch_off", made.connector).content.decode()


class TestTables:
    @pytest.fixture
    def mdm(self, acme) -> Connector:
        return connector(acme, "mdm", "none").connector

    def bring(self, admins: Browser, mdm: Connector, status: str = "pass", **fields: str) -> Any:
        at = clock.now().isoformat()
        content = f"serial,observed_at,firewall\n5CD1234,{at},{status}\n5CD9999,{at},pass\n"
        file = SimpleUploadedFile("devices.csv", content.encode())
        return admins.post(f"{LIST}{mdm.pk}/table/", {"table": file, **fields})

    def test_it_is_looked_at_first_and_taken_in_then(self, admins: Browser, acme, mdm) -> None:
        device = laptop(acme, serial="5CD1234")
        assert f"{LIST}{mdm.pk}/table/" in admins.get(f"{LIST}{mdm.pk}/change/").content.decode()

        page = self.bring(admins, mdm, is_dry="on").content.decode()
        assert "1 checks of 1 devices would be updated" in page
        assert "serial 5CD9999" in page
        assert CheckResult.unscoped.count() == 0

        response = self.bring(admins, mdm)
        assert response.status_code == 302
        assert said(device, mdm.source) == {"firewall": ("pass", None)}

    def test_faults_are_told_by_line(self, admins: Browser, acme, mdm) -> None:
        laptop(acme, serial="5CD1234")

        page = self.bring(admins, mdm, "perhaps").content.decode()

        assert "line 2: firewall is pass, fail or missing" in page
        assert CheckResult.unscoped.count() == 0

    def test_what_takes_long_is_for_the_command(self, admins: Browser, mdm) -> None:
        lines = "".join(f"5CD{n:04},2026-11-30T09:00:00Z,pass\n" for n in range(501))
        file = SimpleUploadedFile("d.csv", f"serial,observed_at,firewall\n{lines}".encode())

        page = admins.post(f"{LIST}{mdm.pk}/table/", {"table": file}).content.decode()

        assert "manage.py import_posture" in page

    def test_only_a_table_can_be_brought_to_one_that_takes_tables(self, admins, acme) -> None:
        assert self.bring(admins, connector(acme).connector).status_code == 404

    def test_another_organisations_connector_does_not_exist(self, admins, globex) -> None:
        theirs = connector(globex, "mdm", "none").connector

        assert self.bring(admins, theirs).status_code == 404
        assert admins.get(f"{LIST}{theirs.pk}/change/").status_code != 200
        act(admins, "switch_off", theirs)
        theirs.refresh_from_db()
        assert theirs.is_live

    def test_who_is_no_administrator_has_no_such_page(self, mdm, employee: Person) -> None:
        visitor = Browser()
        cast.sign_in(visitor, employee)

        assert self.bring(visitor, mdm).status_code in {302, 404}
        assert CheckResult.unscoped.count() == 0


class TestNames:
    URL = "/admin/devices/deviceidentifier/"

    def test_a_name_is_written_down_and_taken_away(self, admins: Browser, acme) -> None:
        device = laptop(acme)

        admins.post(
            f"{self.URL}add/", {"device": str(device.pk), "kind": "serial", "value": "5cd1234"}
        )
        row = DeviceIdentifier.unscoped.get()
        assert (row.device, row.value) == (device, "5CD1234")

        act(admins, "take_away", row, of=self.URL)
        assert DeviceIdentifier.unscoped.count() == 0

    def test_what_names_no_device_is_said_on_the_form(self, admins: Browser, acme) -> None:
        device = laptop(acme)

        response = admins.post(
            f"{self.URL}add/", {"device": str(device.pk), "kind": "uuid", "value": "x"}
        )

        assert "This is no uuid of a device" in response.content.decode()

    def test_another_organisations_device_cannot_be_named(self, admins: Browser, globex) -> None:
        device = laptop(globex)

        admins.post(
            f"{self.URL}add/", {"device": str(device.pk), "kind": "serial", "value": "5cd1234"}
        )

        assert DeviceIdentifier.unscoped.count() == 0
