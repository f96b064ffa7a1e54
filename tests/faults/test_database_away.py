"""The database goes away under requests and comes back: 503 in between, and no restart."""

import time

import httpx
import pytest

from tests import cast
from tests.support.arrange import arrange
from tests.support.instance import Instance
from tests.support.outage import Door

pytestmark = pytest.mark.instance
RECOVERY_SECONDS = 20


class Product:
    def __init__(self, instance: Instance) -> None:
        self.http = httpx.Client(base_url=instance.base_url, timeout=30)

    def refresh(self, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.http.post("/oauth/token", data=form, auth=("acme-web", cast.SECRET))

    def page(self, cookie: str) -> httpx.Response:
        return self.http.get("/sessions/", headers={"Cookie": f"session={cookie}"})

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)


def test_it_refuses_while_the_database_is_away_and_goes_on_when_it_is_back():
    with Instance(workers=1, threads=2) as instance:
        with Door(instance.runtime_url) as door:
            instance.extra["SALLYPORT_DATABASE_URL"] = door.url
            instance.restart()
            alice = arrange(instance, "signed_in", email="alice@acme.example", families=1)
            product = Product(instance)
            token = alice["tokens"][0]["refresh_token"]
            token = product.refresh(token).json()["refresh_token"]
            assert product.page(alice["cookie"]).status_code == 200
            keys = product.get("/oauth/jwks").json()

            door.shut()

            for _ in range(3):
                refused = product.refresh(token)
                assert refused.status_code == 503
                assert refused.json()["error"] == "temporarily_unavailable"
                assert refused.headers["Retry-After"] == "5"
                page = product.page(alice["cookie"])
                assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
                assert "Traceback" not in page.text
            assert product.get("/readyz").json()["parts"]["database"] is False
            # What needs no database goes on: others may verify what they hold.
            assert product.get("/oauth/jwks").json() == keys
            assert product.get("/.well-known/openid-configuration").status_code == 200
            assert product.get("/healthz").status_code == 200

            door.open()

            wait_for_ready(product)
            for _ in range(4):  # each thread has a connection of its own
                reply = product.refresh(token)
                assert reply.status_code == 200, instance.logs("web")[-2000:]
                token = reply.json()["refresh_token"]
                assert product.page(alice["cookie"]).status_code == 200
            assert instance.is_running("web")


def wait_for_ready(product: Product) -> None:
    """Until every thread has answered well three times in a row."""
    deadline, good = time.monotonic() + RECOVERY_SECONDS, 0
    while good < 6:
        assert time.monotonic() < deadline, "it does not recover"
        good = good + 1 if product.get("/readyz").status_code == 200 else 0
