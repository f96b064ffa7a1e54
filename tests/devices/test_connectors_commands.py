"""Connecting, naming and importing from a terminal."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from core import clock
from core.ids import new_id
from devices.models import CheckResult, Connector, DeviceIdentifier
from tests.support.connectors import call, connector, laptop, said

pytestmark = pytest.mark.django_db


def run(*command: str, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*command, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


class TestMakeConnector:
    def test_it_prints_where_to_call_and_the_secret_once(self, acme) -> None:
        out, _ = run(
            "make_connector", "acme", "Fleet", "--kind=fleet", "--check=Is it = on?=firewall"
        )

        printed = dict(line.split(": ", 1) for line in out.splitlines())
        made = Connector.unscoped.get()
        assert printed["address"] == f"{settings.ISSUER}/devices/api/connectors/{made.pk}/"
        assert made.checks == {"Is it = on?": "firewall"}
        assert call(made, [], secret=printed["secret"]).status_code == 200

    def test_a_table_needs_neither(self, acme) -> None:
        out, _ = run("make_connector", "acme", "MDM", "--kind=mdm")

        assert out.startswith("connector: ")
        assert "secret" not in out

    def test_a_gateway_proves_itself_by_access_where_its_team_is_named(self, acme) -> None:
        run(
            "make_connector", "acme", "WARP", "--kind=cloudflare",
            "--access-issuer=https://acme.cloudflareaccess.com", "--access-audience=32eafc76",
        )  # fmt: skip
        out, _ = run("make_connector", "acme", "WARP direct", "--kind=cloudflare")

        assert set(Connector.unscoped.values_list("authentication", flat=True)) == {
            "access_token",
            "secret",
        }
        assert "secret: " in out

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nowhere", "Fleet", "--kind=fleet"],
            ["acme", "Fleet", "--kind=fleet", "--check=firewall"],
            ["acme", "Fleet", "--kind=fleet", "--check=x=shoe_size"],
            ["acme", "Fleet", "--kind=fleet", "--authentication=none"],
        ],
        ids=["organisation", "no name", "no check", "no proof"],
    )
    def test_what_does_not_fit_is_told(self, acme, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            run("make_connector", *arguments)

        assert Connector.unscoped.count() == 0


class TestIdentifyDevice:
    def test_it_writes_every_name_down(self, acme) -> None:
        device = laptop(acme)

        run("identify_device", str(device.pk), "--serial=5cd1234", "--fleet-host=17")

        assert {str(each) for each in DeviceIdentifier.unscoped.all()} == {
            "serial 5CD1234",
            "fleet_host 17",
        }

    def test_one_that_does_not_fit_leaves_none(self, acme) -> None:
        device = laptop(acme)

        with pytest.raises(CommandError, match="uuid x"):
            run("identify_device", str(device.pk), "--serial=5cd1234", "--uuid=x")

        assert DeviceIdentifier.unscoped.count() == 0

    def test_an_unknown_device_is_told(self, acme) -> None:
        with pytest.raises(CommandError, match="no device"):
            run("identify_device", str(new_id()), "--serial=5CD1234")


class TestImportPosture:
    @pytest.fixture
    def mdm(self, acme) -> Connector:
        return connector(acme, "mdm", "none").connector

    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        at = clock.now().isoformat()
        file = tmp_path / "devices.csv"
        file.write_text(f"serial,observed_at,firewall\n5CD1234,{at},pass\n5CD9999,{at},pass\n")
        return file

    def test_it_says_what_came_of_it(self, acme, mdm, table: Path) -> None:
        device = laptop(acme, serial="5CD1234")

        out, err = run("import_posture", str(table), f"--connector={mdm.pk}")

        assert out == "1 checks of 1 devices updated\n"
        assert err == "no enrolled device: serial 5CD9999\n"
        assert said(device, mdm.source) == {"firewall": ("pass", None)}

    def test_a_dry_run_writes_nothing(self, acme, mdm, table: Path) -> None:
        laptop(acme, serial="5CD1234")

        out, _ = run("import_posture", str(table), f"--connector={mdm.pk}", "--dry-run")

        assert out == "1 checks of 1 devices would be updated\n"
        assert CheckResult.unscoped.count() == 0

    def test_faults_are_told_by_line_and_nothing_is_written(self, acme, mdm, table: Path) -> None:
        laptop(acme, serial="5CD1234")
        table.write_text(table.read_text() + "5CD7777,soon,perhaps\n")

        with pytest.raises(CommandError, match="nothing was written\nline 4: observed_at"):
            run("import_posture", str(table), f"--connector={mdm.pk}")

        assert CheckResult.unscoped.count() == 0

    def test_a_file_that_is_not_there_is_told(self, mdm, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No such file"):
            run("import_posture", str(tmp_path / "none"), f"--connector={mdm.pk}")

    def test_an_unknown_connector_is_told(self, table: Path) -> None:
        with pytest.raises(CommandError, match="no connector"):
            run("import_posture", str(table), f"--connector={new_id()}")
