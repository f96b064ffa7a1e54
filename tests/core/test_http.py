"""Addresses behind proxies, ways back, and views that ask for assurance."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.http import (
    REACHABLE,
    address_from,
    is_from,
    render_refusal,
    require_assurance,
    safe_next,
)

PEER = "192.0.2.1"


class TestAddressFrom:
    @pytest.mark.parametrize(
        ("count", "forwarded_for", "address"),
        [
            (0, "198.51.100.9", PEER),
            (1, "198.51.100.9", "198.51.100.9"),
            (1, "6.6.6.6, 198.51.100.9", "198.51.100.9"),
            (2, "6.6.6.6, 198.51.100.9, 10.0.0.1", "198.51.100.9"),
            (2, "198.51.100.9", PEER),
            (1, "", PEER),
            (1, "not an address", PEER),
            (1, "198.51.100.9:4711", PEER),
            (1, "2001:DB8::0:1", "2001:db8::1"),
            (1, " , 198.51.100.9 , ", "198.51.100.9"),
        ],
    )
    def test_the_nth_from_the_right_counts(self, settings, count, forwarded_for, address):
        settings.TRUSTED_PROXY_COUNT = count

        assert address_from(PEER, forwarded_for) == address

    @pytest.mark.parametrize(
        ("written", "address"),
        [
            ("::ffff:198.51.100.9", "198.51.100.9"),
            ("::FFFF:c633:6409", "198.51.100.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("::1", "::1"),
        ],
    )
    def test_an_address_has_one_spelling(self, settings, written, address):
        """A lock on it, and PostgreSQL, know no other."""
        settings.TRUSTED_PROXY_COUNT = 0
        assert address_from(written, "") == address

        settings.TRUSTED_PROXY_COUNT = 1
        assert address_from(PEER, written) == address

    def test_a_network_of_ipv4_holds_a_peer_on_a_socket_for_both(self):
        assert is_from("::ffff:192.0.2.1", [ip_network("192.0.2.0/24")])

    @pytest.mark.parametrize("peer", ["", "unix:", "localhost"])
    def test_a_peer_without_an_address_has_a_name_for_unknown(self, settings, peer):
        settings.TRUSTED_PROXY_COUNT = 0

        assert address_from(peer, "") == "0.0.0.0"


class TestSafeNext:
    @pytest.mark.parametrize("target", ["/security/", "/a?b=c#d", "security/"])
    def test_a_way_within_this_site_is_taken(self, target):
        request = RequestFactory().get("/", {"next": target})

        assert safe_next(request, "/home") == target

    @pytest.mark.parametrize(
        "target",
        [
            "", "https://evil.example/", "//evil.example", "///evil.example", "\\\\evil.example",
            "/\\evil.example", "javascript:alert(1)", "https:evil.example", "http://testserver@evil",
            "\x00//evil.example", " //evil.example",
        ],
    )  # fmt: skip
    def test_any_other_is_not(self, target):
        request = RequestFactory().get("/", {"next": target})

        assert safe_next(request, "/home") == "/home"

    def test_what_was_posted_goes_first(self):
        request = RequestFactory().post("/?next=/b", {"next": "/a"})

        assert safe_next(request, "/home") == "/a"


class TestRequireAssurance:
    FRESH = timedelta(minutes=10)

    def ask(self, level, *, user="somebody", has=None, age=0, reachable=None, max_age=FRESH):
        request = RequestFactory().get("/secret/?a=b")
        request.user = (
            AnonymousUser() if user is None else type("U", (), {"is_authenticated": True})()
        )
        if has is not None:
            request.assurance = Assurance(has, (), clock.now() - timedelta(seconds=age))
        if reachable is not None:
            request.reachable_level = reachable
        return require_assurance(level, max_age=max_age)(lambda _: HttpResponse("in"))(request)

    @pytest.mark.parametrize(
        ("level", "has", "age", "reachable"),
        [
            (Level.AAL2, Level.AAL2, 0, Level.AAL2),
            (Level.AAL1, Level.AAL2, 599, Level.AAL2),
            (REACHABLE, Level.AAL1, 0, Level.AAL1),
            (REACHABLE, Level.AAL2, 0, Level.AAL2),
        ],
    )
    def test_strong_and_fresh_gets_in(self, level, has, age, reachable):
        assert self.ask(level, has=has, age=age, reachable=reachable).content == b"in"

    @pytest.mark.parametrize(
        ("level", "has", "age", "reachable", "acr"),
        [
            (Level.AAL2, Level.AAL1, 0, Level.AAL2, "aal2"),
            (Level.AAL2, Level.AAL2, 601, Level.AAL2, "aal2"),
            (Level.AAL2, None, 0, None, "aal2"),
            (REACHABLE, Level.AAL1, 0, Level.AAL2, "aal2"),
            (REACHABLE, Level.AAL1, 0, None, "aal2"),
            (REACHABLE, Level.AAL1, 601, Level.AAL1, "aal1"),
        ],
    )
    def test_anything_less_goes_to_step_up_and_comes_back(self, level, has, age, reachable, acr):
        answer = self.ask(level, has=has, age=age, reachable=reachable)

        assert answer.status_code == 302
        assert answer["Location"] == f"/step-up/?next=%2Fsecret%2F%3Fa%3Db&acr={acr}&max_age=600"

    def test_whoever_is_not_signed_in_goes_to_the_door(self):
        answer = self.ask(Level.AAL1, user=None)

        assert answer["Location"] == "/accounts/login/?next=%2Fsecret%2F%3Fa%3Db"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal.invalid_request("No such thing."), 400),
        (Refusal.not_found(), 404),
        (Refusal.not_allowed("Not you."), 403),
        (Refusal.too_many_attempts(9), 429),
        (Refusal.unavailable(), 503),
        (Refusal.conflict("Twice."), 409),
    ],
)
def test_a_refusal_has_a_page_with_its_status_and_words(client, refusal, status):
    request = client.get("/accounts/login/").wsgi_request

    page = render_refusal(request, refusal)

    assert page.status_code == status
    assert "WWW-Authenticate" not in page
    if status in {429, 503}:
        assert page["Retry-After"] in {"9", "5"}
