"""Where addresses are: the operator's data, the bundled data, and none."""

import pickle
from ipaddress import ip_address
from pathlib import Path

import pytest

from risk import bundled, geo
from risk.bundled import Bundled
from risk.geo import NOWHERE, Place, locate
from tests.risk.conftest import OSLO
from tests.support import mmdb


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("geo")


@pytest.fixture
def package_only(folder, settings):
    settings.GEO_DATABASE, settings.GEO_DIR = None, folder
    geo.forget()
    yield
    geo.forget()


class TestBundled:
    @pytest.mark.parametrize(
        ("address", "country", "network"),
        [
            ("8.8.8.8", "US", "GOOGLE"),
            ("81.2.69.160", "GB", "Andrews & Arnold Ltd"),
            ("2001:4860:4860::8888", "US", "GOOGLE"),
            ("::ffff:8.8.8.8", "US", "GOOGLE"),
        ],
    )
    def test_country_and_network_come_with_the_package(
        self, package_only, address, country, network
    ):
        assert locate(address) == Place(country=country, network=network)

    @pytest.mark.parametrize(
        "address", ["10.1.2.3", "127.0.0.1", "203.0.113.7", "::1", "", "no address"]
    )
    def test_private_and_unknown_addresses_are_nowhere(self, package_only, address):
        assert locate(address) == NOWHERE

    def test_between_two_networks_is_nothing(self, folder):
        data = Bundled(folder)
        starts = data._array("country4.from")
        ends = data._array("country4.to")
        gap = next(i for i in range(1000, len(starts)) if starts[i] > ends[i - 1] + 1)

        assert data.country(ip_address(ends[gap - 1] + 1)) == ""

    def test_the_file_is_made_once_and_whole(self, folder):
        Bundled(folder)
        (made,) = folder.glob("*.bin")
        before = made.stat().st_mtime_ns

        Bundled(folder)

        assert made.stat().st_mtime_ns == before
        assert not list(folder.glob("*.new"))

    def test_a_foreign_file_in_its_place_is_refused(self, tmp_path):
        (tmp_path / f"geoip2fast-{bundled.version(bundled.PACKAGE)}.bin").write_bytes(b"x" * 100)

        with pytest.raises(OSError, match="not ours"):
            Bundled(tmp_path)

    def test_a_pickle_that_names_code_is_not_run(self, tmp_path):
        import gzip

        with gzip.open(tmp_path / "evil.gz", "wb") as file:
            file.write(pickle.dumps(print))

        with pytest.raises(pickle.UnpicklingError, match="has no place"):
            bundled.convert(tmp_path / "evil.gz", tmp_path / "out.bin")
        assert not (tmp_path / "out.bin").exists()


class TestOperatorsDatabase:
    def test_it_gives_city_coordinates_and_network(self, places):
        assert locate(OSLO) == Place(
            country="NO", network="AS100 Oslo Net", city="Oslo", latitude=59.91, longitude=10.75,
            accuracy_km=20.0,
        )  # fmt: skip

    def test_what_it_does_not_know_the_package_answers(self, folder, tmp_path, settings):
        settings.GEO_DIR = folder
        settings.GEO_DATABASE = mmdb.write(
            tmp_path / "city.mmdb", {"8.8.8.0/24": {"city": {"names": {"en": "Nowhere"}}}}
        )
        geo.forget()

        assert locate("8.8.8.8") == Place(country="US", network="GOOGLE", city="Nowhere")

    def test_a_folder_holds_several(self, tmp_path, settings):
        settings.GEO_DIR = tmp_path / "none"
        mmdb.write(tmp_path / "a.mmdb", {"9.0.0.0/8": {"country_code": "DE"}})
        mmdb.write(tmp_path / "b.mmdb", {"9.0.0.0/8": {"autonomous_system_number": 7}})
        settings.GEO_DATABASE = tmp_path
        geo.forget()

        place = locate("9.1.1.1")

        assert (place.country, place.network) == ("DE", "AS7")

    def test_nonsense_in_a_record_is_passed_over(self):
        record = {
            "country": {"iso_code": 7}, "city": "x" * 500, "location": {"latitude": "north"},
            "autonomous_system_number": "many",
        }  # fmt: skip

        assert geo.read_record(record) == {"city": "x" * 100}
