"""Requests to addresses of others: where to, how much, how long."""

import ipaddress
import socket
import threading
import time

import pytest

from core import exchange, outbound
from core.outbound import OutboundError, fetch, is_open, post
from tests.support.elsewhere import LOOPBACK, Elsewhere, authority

JSON = "application/json"


@pytest.fixture
def resolves_to(monkeypatch):
    """Every name resolves to these addresses; the names that were asked for."""

    def answer(*addresses):
        asked = []

        def resolver(host, port, *args, **kwargs):
            asked.append(host)
            return [
                (socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port))
                for a in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        return asked

    return answer


class TestFetch:
    def test_a_document_comes_with_its_status_and_type(self, elsewhere):
        url = elsewhere.serve("/jwks", b'{"keys": []}', content_type="application/JSON; charset=x")

        response = fetch(f"{url}?a=b", accept=JSON)

        assert response == outbound.Response(200, JSON, b'{"keys": []}')
        method, path, headers, _ = elsewhere.requests[0]
        assert (method, path) == ("GET", "/jwks?a=b")
        assert headers["Host"] == f"localhost:{elsewhere.port}"
        assert headers["Accept"] == JSON

    def test_another_status_is_for_the_caller_to_judge(self, elsewhere):
        assert fetch(elsewhere.url("/nothing"), accept=JSON).status == 404

    def test_another_type_than_asked_for_is_refused(self, elsewhere):
        url = elsewhere.serve("/page", b"<p>", content_type="text/html")

        with pytest.raises(OutboundError, match="text/html"):
            fetch(url, accept="application/json, application/jwk-set+json")
        assert fetch(url, accept="*/*").body == b"<p>"

    @pytest.mark.parametrize("has_length", [True, False])
    def test_more_than_the_limit_is_refused(self, elsewhere, has_length):
        def page(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", JSON)
            if has_length:
                handler.send_header("Content-Length", "1000001")
            handler.end_headers()
            handler.wfile.write(b"x" * 1_000_001)

        elsewhere.pages["/big"] = page

        with pytest.raises(OutboundError, match="large"):
            fetch(elsewhere.url("/big"), accept=JSON, limit_bytes=1_000_000)

    def test_exactly_the_limit_is_accepted(self, elsewhere):
        url = elsewhere.serve("/full", b"x" * 1000)

        assert len(fetch(url, accept=JSON, limit_bytes=1000).body) == 1000

    def test_endless_headers_are_cut_off(self, elsewhere):
        def page(handler):
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000)

        elsewhere.pages["/headers"] = page

        with pytest.raises(OutboundError, match="large"):
            fetch(elsewhere.url("/headers"), accept=JSON)

    @pytest.mark.parametrize("part", ["status", "body"])
    def test_a_slow_sender_meets_the_total_time(self, elsewhere, part):
        over = threading.Event()

        def page(handler):
            if part == "body":
                handler.send_response(200)
                handler.send_header("Content-Type", JSON)
                handler.end_headers()
            while not over.wait(0.02):
                handler.wfile.write(b"x")

        elsewhere.pages["/slow"] = page
        began = time.monotonic()
        try:
            with pytest.raises(OutboundError, match="too long"):
                fetch(elsewhere.url("/slow"), accept=JSON, timeout=1.5)  # with the handshake
        finally:
            over.set()
        assert time.monotonic() - began < 30, "the sender would have gone on for ever"

    def test_a_silent_handshake_meets_the_total_time(self, settings):
        settings.OUTBOUND_ALLOWED_NETWORKS = [LOOPBACK]
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"https://localhost:{server.getsockname()[1]}/"
            with pytest.raises(OutboundError):
                fetch(url, accept=JSON, timeout=0.2)

    def test_a_silent_resolver_meets_the_total_time(self, monkeypatch):
        over = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [over.wait(5)][1:])
        try:
            with pytest.raises(OutboundError, match="in time"):
                fetch("https://rp.example/", accept=JSON, timeout=0.5)
        finally:
            over.set()

    def test_what_is_cut_off_is_refused(self, elsewhere):
        elsewhere.pages["/cut"] = (200, {"Content-Type": JSON, "Content-Length": "9"}, b"{}")

        with pytest.raises(OutboundError):
            fetch(elsewhere.url("/cut"), accept=JSON)

    def test_what_is_compressed_is_refused(self, elsewhere):
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        elsewhere.pages["/bomb"] = (200, headers, b"\x1f\x8b")

        with pytest.raises(OutboundError, match="compressed"):
            fetch(elsewhere.url("/bomb"), accept=JSON)

    @pytest.mark.parametrize("answer", [b"", b"\0\0\0", b"SSH-2.0-x\r\n", b"HTTP/1.1 x y\r\n\r\n"])
    def test_what_is_no_http_is_refused(self, elsewhere, answer):
        elsewhere.pages["/odd"] = lambda handler: handler.wfile.write(answer)

        with pytest.raises(OutboundError):
            fetch(elsewhere.url("/odd"), accept=JSON)

    def test_while_one_is_slow_a_second_does_not_wait_long(self, elsewhere):
        begun, over = threading.Event(), threading.Event()

        def page(handler):
            begun.set()
            over.wait(60)

        def hang():
            with pytest.raises(OutboundError):
                fetch(elsewhere.url("/slow"), accept=JSON, timeout=20)

        elsewhere.pages["/slow"] = page
        thread = threading.Thread(target=hang)
        thread.start()
        try:
            assert begun.wait(30)
            with pytest.raises(OutboundError, match="under way"):  # it would get through later
                fetch(elsewhere.url("/"), accept=JSON, timeout=60)
        finally:
            over.set()
            thread.join()
        assert fetch(elsewhere.url("/"), accept=JSON).status == 404


class TestPost:
    def test_body_type_and_headers_arrive(self, elsewhere):
        elsewhere.serve("/logout", b"", status=204)

        response = post(
            elsewhere.url("/logout"),
            body=b"logout_token=x",
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": "Bearer t"},
        )

        assert response.status == 204
        method, path, headers, body = elsewhere.requests[0]
        assert (method, path, body) == ("POST", "/logout", b"logout_token=x")
        assert headers["Authorization"] == "Bearer t"
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"


class TestTls:
    def test_a_certificate_of_an_unknown_authority_is_refused(self, elsewhere):
        with Elsewhere(signed_by="Nobody") as stranger:
            with pytest.raises(OutboundError, match="TLS"):
                fetch(stranger.url(), accept=JSON)
            assert stranger.requests == []

    def test_a_certificate_of_another_name_is_refused(self, elsewhere, resolves_to):
        asked = resolves_to("127.0.0.1")

        with pytest.raises(OutboundError, match="TLS"):
            fetch(f"https://other.example:{elsewhere.port}/", accept=JSON)
        assert asked == ["other.example"]
        assert elsewhere.requests == []

    def test_plain_http_goes_to_loopback_where_that_is_allowed(self, settings):
        settings.OUTBOUND_ALLOWED_NETWORKS = [LOOPBACK]
        with Elsewhere(is_tls=False) as server:
            server.serve("/", b"{}")
            assert fetch(server.url(), accept=JSON).body == b"{}"
            settings.OUTBOUND_PLAIN_HTTP = False
            with pytest.raises(OutboundError, match="not https"):
                fetch(server.url(), accept=JSON)

    def test_plain_http_goes_nowhere_else(self, settings, resolves_to):
        settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
        resolves_to("10.0.0.1")

        with pytest.raises(OutboundError, match="loopback only"):
            fetch("http://rp.example/", accept=JSON)

    def test_proxies_of_the_environment_are_not_asked(self, elsewhere, monkeypatch):
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")

        assert fetch(elsewhere.url(), accept=JSON).status == 404

    def test_the_authority_of_the_setting_comes_on_top_of_the_systems(self):
        added = exchange.tls_context(authority().pem).cert_store_stats()["x509_ca"]

        assert added == exchange.tls_context("").cert_store_stats()["x509_ca"] + 1


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1"]
    )
    def test_global_unicast_is_open(self, address):
        assert is_open(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254"),
            *("172.16.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
            *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
            "255.255.255.255",
            *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1"),
            *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1"),
            *("5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1"),
        ],
    )  # fmt: skip
    def test_everything_else_is_closed(self, address):
        assert not is_open(ipaddress.ip_address(address))

    def test_a_network_of_the_setting_is_open(self, settings):
        settings.OUTBOUND_ALLOWED_NETWORKS = [
            ipaddress.ip_network("10.20.0.0/16"),
            ipaddress.ip_network("fd00:1::/32"),
        ]

        assert is_open(ipaddress.ip_address("10.20.3.4"))
        assert is_open(ipaddress.ip_address("fd00:1::5"))
        assert not is_open(ipaddress.ip_address("10.21.0.1"))
        assert not is_open(ipaddress.ip_address("::ffff:10.20.3.4"))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/jwks",
            "https:///jwks",
            "https://",
            "ftp://rp.example/",
            "file:///etc/passwd",
            "gopher://rp.example/",
            "data:application/json,{}",
            "https://user@rp.example/",
            "https://rp.example@localhost/",
            "https://rp.example\\@localhost/",
            "https://rp.example:0/",
            "https://rp.example:65536/",
            "https://rp.example:x/",
            "https://[::1/",
            "https://[fe80::1%25lo]/",
            "https://rp.example/a b",
            "https://rp.example/\r\nX: y",
            "https://rp.example/\0",
            "https://bücher.example/",
            "https://rp.example/" + "a" * 3000,
        ],
    )
    def test_an_odd_address_is_not_even_resolved(self, resolves_to, url):
        asked = resolves_to("93.184.215.14")

        with pytest.raises(OutboundError):
            fetch(url, accept=JSON)
        assert asked == []

    @pytest.mark.parametrize("host", ["a" * 64, ".", "..", "does-not-exist.invalid"])
    def test_a_name_without_an_address_is_refused(self, host):
        with pytest.raises(OutboundError):
            fetch(f"https://{host}/", accept=JSON)
