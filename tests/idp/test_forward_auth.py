"""Applications behind a proxy: each request judged again, as each proxy asks and wants to hear it."""

import json
from datetime import timedelta
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from django.test import Client as Browser
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts import flows as accounts
from accounts.models import LockTarget, User
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp import keys
from idp.flows import connected_applications, deactivate_client
from idp.forward_auth import identity, registration
from idp.forward_auth.rules import check_origin, check_rules, demands_of
from idp.models import ForwardCode, ForwardSession
from idp.tasks import purge
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.support import forwarded, oauth
from tests.support.forwarded import ORIGIN, PAGE, SHAPES, ask, at_host, begin, finish

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _proxies(settings):
    settings.FORWARD_AUTH_PROXIES = forwarded.NETWORKS


@pytest.fixture
def wiki(acme):
    return forwarded.wiki(acme)


@pytest.fixture
def alice(client, employee) -> Browser:
    client.login_session = cast.sign_in(client, employee)
    return client


def reasons_of(event: str) -> list:
    return [row.facts.get("reasons") for row in AuditEvent.objects.filter(event=event)]


class TestChecks:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_who_is_signed_in_passes_with_an_identity(self, wiki, alice, employee, shape):
        cookie = forwarded.sign_in(alice)

        told = ask(cookie=cookie, shape=shape)

        assert told.status == 200
        assert told["Remote-User"] == str(employee.user.pk)
        assert told["Remote-Email"] == "alice@acme.example"
        assert told["Remote-Name"] == "Alice Arden"
        assert told["Cache-Control"] == "no-store"
        assert {name for name, _ in told.fields} >= set(identity.NAMES)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
    def test_whatever_the_method_nobody_passes_without_a_sign_in(self, wiki, shape, method):
        assert ask(shape=shape, method=method).status == 401

    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_page_is_led_to_the_sign_in_as_the_proxy_can(self, wiki, shape):
        told = ask("/a/b?c=d&e=f", shape=shape, **PAGE)

        assert told.status == (401 if shape == "nginx" else 302)
        assert told["Location"] == f"{ORIGIN}/.sallyport/sign-in?rd=%2Fa%2Fb%3Fc%3Dd%26e%3Df"

    @pytest.mark.parametrize(
        "what",
        [
            {"HTTP_SEC_FETCH_MODE": "cors"},
            {"HTTP_ACCEPT": "application/json"},
            {"HTTP_SEC_FETCH_MODE": "websocket", "HTTP_X_FORWARDED_PROTO": "wss"},
        ],
        ids=["a script", "a program", "a websocket"],
    )
    def test_what_is_no_page_is_told_and_not_led(self, wiki, what):
        told = ask(shape="traefik", **what)

        assert (told.status, told.get("Location")) == (401, None)
        assert json.loads(told.body)["error"] == "sign_in_required"
        assert told["WWW-Authenticate"].startswith("Cookie")

    def test_a_form_is_not_led_away_with_what_was_typed(self, wiki):
        assert ask(shape="traefik", method="POST", **PAGE).status == 401

    def test_a_host_that_nobody_registered_is_refused(self, wiki, alice):
        cookie = forwarded.sign_in(alice)

        assert ask(cookie=cookie, origin="https://other.acme.example").status == 403
        assert ask(cookie=cookie, origin="https://wiki.acme.example:8443").status == 403
        assert ask(cookie=cookie, origin="http://wiki.acme.example").status == 403

    def test_the_cookie_of_one_application_is_none_at_another(self, acme, wiki, alice):
        forwarded.wiki(acme, origin="https://books.acme.example")
        cookie = forwarded.sign_in(alice)

        assert ask(cookie=cookie, origin="https://books.acme.example").status == 401

    def test_a_check_is_one_statement(self, wiki, alice, statements):
        cookie = forwarded.sign_in(alice)
        statements.clear()

        assert ask(cookie=cookie).status == 200

        assert len(statements) == 1

    def test_it_is_one_also_where_roles_have_an_end(self, wiki, alice, employee, acme, statements):
        role = accounts.create_role(organisation=acme, name="keeper", now=clock.now())
        end = clock.now() + timedelta(minutes=5)
        accounts.assign_role(user=employee.user, role=role, ends_at=end, now=clock.now())
        cookie = forwarded.sign_in(alice)
        statements.clear()

        told = ask(cookie=cookie)

        assert (told.status, told["Remote-Roles"]) == (200, "keeper")
        assert len(statements) == 1

    def test_nobody_is_one_statement_too(self, wiki, statements):
        assert ask().status == 401
        assert len(statements) == 1

    def test_use_keeps_the_session_alive_but_scripts_do_not(self, wiki, alice, later):
        cookie = forwarded.sign_in(alice)
        session = LoginSession.unscoped.get()
        later(minutes=2)
        ask(cookie=cookie, HTTP_SEC_FETCH_DEST="empty")
        assert LoginSession.unscoped.get().last_used_at == session.last_used_at

        ask(cookie=cookie, HTTP_SEC_FETCH_DEST="document")

        assert LoginSession.unscoped.get().last_used_at > session.last_used_at

    @pytest.mark.parametrize("shape", SHAPES)
    def test_where_policy_cannot_be_asked_the_answer_is_no(self, wiki, alice, shape, monkeypatch):
        cookie = forwarded.sign_in(alice)
        monkeypatch.setattr("policy.engine._Engine.evaluator", None)

        assert ask(cookie=cookie, shape=shape).status == 403

    @pytest.mark.parametrize("shape", SHAPES)
    def test_where_anything_fails_the_answer_is_no(self, wiki, alice, shape, monkeypatch):
        cookie = forwarded.sign_in(alice)
        monkeypatch.setattr("idp.forward_auth.identity.headers", lambda *_: 1 / 0)

        told = ask(cookie=cookie, shape=shape)

        assert (told.status, json.loads(told.body)["error"]) == (503, "temporarily_unavailable")

    def test_a_process_whose_clock_is_off_lets_nobody_through(self, wiki, alice, monkeypatch):
        cookie = forwarded.sign_in(alice)
        monkeypatch.setattr("core.clock.is_off", lambda: True)

        assert ask(cookie=cookie).status == 503


class TestTheNextRequest:
    """What was changed is known to the request after the commit: nothing is kept."""

    @pytest.fixture
    def cookie(self, wiki, alice):
        cookie = forwarded.sign_in(alice)
        assert ask(cookie=cookie).status == 200
        return cookie

    def test_an_ended_session(self, cookie, now):
        end_session(session=LoginSession.unscoped.get(), reason=EndReason.SIGNED_OUT, now=now)

        assert ask(cookie=cookie).status == 401

    def test_a_session_that_ran_out(self, cookie, later, settings):
        later(seconds=settings.SESSION_IDLE_LIFETIME.total_seconds() + 1)

        assert ask(cookie=cookie).status == 401

    def test_its_own_end(self, cookie, later):
        later(hours=12, seconds=1)

        assert ask(cookie=cookie).status == 401

    def test_a_closed_account(self, cookie, employee, now):
        accounts.deactivate_user(user=employee.user, now=now)

        assert ask(cookie=cookie).status == 401

    def test_a_changed_credential(self, cookie, employee):
        User.unscoped.filter(pk=employee.user.pk).update(security_stamp=uuid4())

        assert ask(cookie=cookie).status == 401

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            (LockTarget.USER, 401), (LockTarget.SESSION, 401), (LockTarget.CLIENT, 403),
            (LockTarget.ADDRESS, 403),
        ],
    )  # fmt: skip
    def test_a_lock(self, cookie, employee, wiki, now, kind, status):
        targets = {
            LockTarget.USER: employee.user.pk,
            LockTarget.SESSION: LoginSession.unscoped.get().pk,
            LockTarget.CLIENT: wiki.client_id,
            LockTarget.ADDRESS: f"{forwarded.VISITOR}/32",
        }
        accounts.place_lock(
            organisation_id=employee.user.organisation_id, target_type=kind,
            target=str(targets[kind]), reason="a test", now=now,
        )  # fmt: skip

        assert ask(cookie=cookie).status == status

    def test_an_application_that_was_switched_off(self, cookie, wiki, now):
        deactivate_client(client=wiki, now=now)

        assert ask(cookie=cookie).status == 403

    def test_a_host_that_was_removed(self, cookie, wiki, now):
        registration.remove_host(host=forwarded.host_of(wiki), now=now)

        assert ask(cookie=cookie).status == 403

    def test_rules_that_were_changed(self, cookie, wiki, now):
        rules = [{"prefix": "/page", "roles": ["keeper"]}]
        registration.change_rules(host=forwarded.host_of(wiki), rules=rules, now=now)

        assert ask(cookie=cookie).status == 403
        assert ask("/other", cookie=cookie).status == 200

    def test_a_refusal_is_written_once_a_minute(self, cookie, wiki, now, later):
        rules = [{"prefix": "/", "roles": ["keeper"]}]
        registration.change_rules(host=forwarded.host_of(wiki), rules=rules, now=now)
        for _ in range(3):
            ask(cookie=cookie)
        assert reasons_of("idp.forward_auth.refused") == [["role_missing"]]

        later(minutes=1, seconds=1)
        ask(cookie=cookie)

        assert len(reasons_of("idp.forward_auth.refused")) == 2


class TestRules:
    def test_a_role_opens_what_it_is_asked_for(self, acme, alice, employee, now):
        forwarded.wiki(acme, rules=[{"prefix": "/admin", "roles": ["keeper", "owner"]}])
        cookie = forwarded.sign_in(alice)
        assert ask("/admin/x", cookie=cookie).status == 403
        role = accounts.create_role(organisation=acme, name="keeper", now=now)

        accounts.assign_role(user=employee.user, role=role, now=now)

        told = ask("/admin/x", cookie=cookie)
        assert (told.status, told["Remote-Roles"]) == (200, "keeper")

    def test_a_permission_is_a_roles(self, acme, alice, employee, now):
        forwarded.wiki(acme, rules=[{"prefix": "/", "permission": "page:write"}])
        role = accounts.create_role(organisation=acme, name="writer", now=now)
        accounts.assign_role(user=employee.user, role=role, now=now)
        location, _ = begin()
        assert alice.get(_path(location)).status_code == 403

        accounts.give_permission(role=role, resource_type="page", action="*", now=now)

        assert ask(cookie=forwarded.sign_in(alice)).status == 200

    def test_a_role_for_a_resource_opens_the_paths_that_are_it(
        self, acme, alice, employee, approver, statements
    ):
        from tests.support import access

        orders = {"type": "database", "id": "orders"}
        entitlement = access.entitlement(
            acme, by=[approver], eligible=[employee], resources=[orders]
        )
        role = entitlement.entitlement_roles.get().role
        accounts.give_permission(
            role=role, resource_type="database", action="read", now=clock.now()
        )
        named = {"roles": [role.name], "permission": "database:read"}
        forwarded.wiki(
            acme,
            rules=[
                {"prefix": "/orders", "resource": "database:orders", **named},
                {"prefix": "/sales", "resource": "database:sales", **named},
                {"prefix": "/all", **named},
            ],
        )
        cookie = forwarded.sign_in(alice)
        assert ask("/orders/1", cookie=cookie).status == 403
        grant = access.approve(access.ask(entitlement, employee, alice.login_session), approver)
        access.activate(grant, employee, alice.login_session)
        statements.clear()

        told = ask("/orders/1", cookie=cookie)

        assert (told.status, told["Remote-Roles"]) == (200, "")
        assert len(statements) == 1
        assert ask("/sales/1", cookie=cookie).status == 403
        assert ask("/all", cookie=cookie).status == 403
        accounts.end_elevation(grant_id=grant.pk, now=clock.now())
        assert ask("/orders/1", cookie=cookie).status == 403

    def test_a_stronger_sign_in_is_asked_for_below_a_prefix(self, acme, alice, now):
        forwarded.wiki(acme, rules=[{"prefix": "/admin", "acr": "phr"}])
        cookie = forwarded.sign_in(alice)

        assert ask("/", cookie=cookie).status == 200
        told = ask("/admin", cookie=cookie)
        assert told.status == 401
        assert 'acr_values="phr"' in told["WWW-Authenticate"]
        assert ask("/admin", cookie=cookie, shape="caddy", **PAGE).status == 302

    def test_a_recent_sign_in_is_asked_for(self, acme, alice, later):
        forwarded.wiki(acme, rules=[{"prefix": "/pay", "max_age": 300}])
        cookie = forwarded.sign_in(alice)
        assert ask("/pay", cookie=cookie).status == 200

        later(minutes=6)

        assert ask("/", cookie=cookie).status == 200
        assert ask("/pay", cookie=cookie).status == 401

    def test_a_trusted_device_is_asked_for(self, acme, alice):
        forwarded.wiki(acme, rules=[{"prefix": "/vault", "tier": 3}])
        cookie = forwarded.sign_in(alice)

        assert ask("/vault", cookie=cookie).status == 403
        assert ask("/", cookie=cookie).status == 200

    def test_all_that_match_have_to_be_met(self):
        rules = check_rules(
            [
                {"prefix": "/", "roles": ["staff"], "acr": "phr"},
                {"prefix": "/admin", "roles": ["keeper"], "acr": "aal2", "max_age": 60},
            ]
        )

        demands = demands_of(rules, "/admin/x")

        assert [rule["roles"] for rule in demands.rules] == [["staff"], ["keeper"]]
        assert (demands.level.acr, demands.max_age) == ("phr", timedelta(seconds=60))

    @pytest.mark.parametrize(
        "path",
        ["/admin", "/admin/", "/admin/x", "/ADMIN", "/Admin/x", "/%61dmin", "/admin;x=1/y", "/admin./",
         "/admin?x=/", "/admin%20"],
    )  # fmt: skip
    def test_it_is_under_the_prefix_as_any_server_may_read_it(self, path):
        assert demands_of([{"prefix": "/admin", "roles": ["keeper"]}], path).rules

    @pytest.mark.parametrize("path", ["/", "/administration", "/x/admin", "/adm", "/?/admin"])
    def test_it_is_not_under_it(self, path):
        assert not demands_of([{"prefix": "/admin", "roles": ["keeper"]}], path).rules

    @pytest.mark.parametrize(
        "path",
        ["//admin", "/x/../admin", "/x/%2e%2e/admin", "/x/..;/admin", "/x%2fadmin", "/x%5cadmin", "/x\\admin",
         "/%2561dmin", "/x/./admin", "/%c0%ae%c0%ae/admin", "/x%00", "/x//y", "/%0aadmin", "/;/admin"],
    )  # fmt: skip
    def test_what_can_be_read_in_two_ways_is_refused(self, path):
        with pytest.raises(Refusal, match="ambiguous_path"):
            demands_of([{"prefix": "/admin", "roles": ["keeper"]}], path)

    def test_where_no_rule_tells_paths_apart_they_may_be_as_they_are(self):
        assert demands_of([{"prefix": "/", "roles": ["x"]}], "/a%2fb//../c").rules
        assert demands_of([], "/a%2fb//../c").rules == ()

    @pytest.mark.parametrize(
        "rules",
        [
            {}, "x", [1], [{}], [{"prefix": "admin"}], [{"prefix": "/%61"}], [{"prefix": "/a/../b"}],
            [{"prefix": "/", "roles": "keeper"}], [{"prefix": "/", "role": ["keeper"]}],
            [{"prefix": "/", "acr": "gold"}], [{"prefix": "/", "tier": 9}],
            [{"prefix": "/", "tier": True}], [{"prefix": "/", "max_age": -1}],
            [{"prefix": "/", "permission": "write"}], [{"prefix": "/"}] * 101,
        ],
    )  # fmt: skip
    def test_what_makes_no_rule_is_refused(self, rules):
        with pytest.raises(Refusal, match="invalid_request"):
            check_rules(rules)


class TestRegistration:
    @pytest.mark.parametrize(
        "origin",
        [
            "wiki.acme.example", "http://wiki.acme.example", "https://wiki.acme.example/",
            "https://a@wiki.acme.example", "https://*.acme.example", "https://wiki.acme.example:0",
            "https://Wiki.acme.example", "https://wiki..acme.example", "ftp://wiki.acme.example",
            "https://wiki.acme.example#", "https://", "https://wiki.acme.example.",
        ],
    )  # fmt: skip
    def test_what_is_no_plain_origin_is_refused(self, origin):
        with pytest.raises(Refusal, match="invalid_request"):
            check_origin(origin)

    def test_our_own_host_is_nobodys(self, settings):
        settings.ISSUER = "https://id.acme.example"

        with pytest.raises(Refusal, match="ours"):
            check_origin("https://id.acme.example:8443")

    def test_loopback_without_tls_is_for_development(self, settings):
        assert check_origin("http://wiki.localhost:9000")[1] == "wiki.localhost"
        settings.IS_PRODUCTION = True

        with pytest.raises(Refusal, match="https"):
            check_origin("http://wiki.localhost:9000")

    def test_a_default_port_is_none(self):
        assert check_origin("https://wiki.acme.example:443")[0] == ORIGIN

    def test_a_name_has_one_application_whatever_the_port(self, wiki, globex):
        with pytest.raises(Refusal, match="conflict"):
            forwarded.wiki(globex, origin="https://wiki.acme.example:8443")

        assert wiki.proxied_hosts.count() == 1

    def test_it_gets_no_tokens(self, wiki, alice):
        answer = alice.get(
            "/oauth/authorize", {"client_id": wiki.client_id, "response_type": "code"}
        )
        assert answer.status_code == 400
        told = oauth.send(
            "POST",
            "/oauth/token",
            form={"grant_type": "refresh_token", "client_id": wiki.client_id},
        )
        assert told.error in {"unauthorized_client", "invalid_request", "invalid_client"}

    def test_it_is_made_at_the_command_line(self, acme, tmp_path, capsys):
        from django.core.management import call_command

        rules = tmp_path / "rules.json"
        rules.write_text('[{"prefix": "/admin", "roles": ["keeper"]}]')

        call_command(
            "register_proxied_application", "acme", "Wiki", "--origin", ORIGIN,
            "--origin", "https://wiki.acme.test", "--rules", str(rules), "--required-acr", "aal2",
        )  # fmt: skip

        client_id = capsys.readouterr().out.split()[1]
        from idp.models import Client

        made = Client.unscoped.get(client_id=client_id)
        assert (made.kind, made.required_acr, made.grant_types) == ("proxied", "aal2", [])
        assert {host.origin for host in made.proxied_hosts.all()} == {
            ORIGIN, "https://wiki.acme.test",
        }  # fmt: skip
        assert made.proxied_hosts.first().rules == [{"prefix": "/admin", "roles": ["keeper"]}]

    def test_it_is_changed_at_the_command_line(self, wiki, alice, tmp_path):
        from django.core.management import CommandError, call_command

        cookie = forwarded.sign_in(alice)
        rules = tmp_path / "rules.json"
        rules.write_text('[{"prefix": "/", "roles": ["keeper"]}]')

        call_command("change_proxied_host", ORIGIN, "--rules", str(rules))
        assert ask(cookie=cookie).status == 403
        call_command("change_proxied_host", ORIGIN, "--add", "https://wiki.acme.test")
        assert ask(origin="https://wiki.acme.test").status == 401
        call_command("change_proxied_host", ORIGIN, "--remove")
        assert ask(cookie=cookie).status == 403
        for path, words in ((rules / "no", "Cannot read"), (tmp_path, "Cannot read")):
            with pytest.raises(CommandError, match=words):
                call_command("change_proxied_host", "https://wiki.acme.test", "--rules", str(path))
        with pytest.raises(CommandError, match="no application"):
            call_command("change_proxied_host", ORIGIN, "--remove")

    def test_the_administration_asks_for_a_stronger_sign_in(self, wiki, alice, approver):
        cookie = forwarded.sign_in(alice)
        admin = Browser()
        cast.sign_in(admin, approver)
        page = admin.get(f"/admin/idp/client/{wiki.pk}/change/")
        assert page.status_code == 200
        values = {
            "name": "Wiki", "is_first_party": "on", "redirect_uris": "",
            "post_logout_redirect_uris": "", "scopes": "", "required_acr": "phr",
            "required_tier": "0", "scope_tiers": "{}", "audience": "", "signing_alg": "ES256",
            "token_endpoint_auth_method": "none", "metadata": "{}",
        }  # fmt: skip

        answer = admin.post(f"/admin/idp/client/{wiki.pk}/change/", values)

        assert answer.status_code == 302, answer.context["errors"]
        told = ask(cookie=cookie)
        assert (told.status, 'acr_values="phr"' in told["WWW-Authenticate"]) == (401, True)


class TestSignIn:
    def test_a_stranger_signs_in_first_and_comes_back(self, wiki, client):
        location, _ = begin("/deep/link?q=1")

        answer = client.get(_path(location))

        assert answer.status_code == 303
        assert answer["Location"].startswith("/accounts/login/?next=%2Fforward-auth%2Fresume")
        assert "Wiki" in client.get(answer["Location"]).content.decode()

    def test_after_a_form_a_page_moves_on(self, wiki, alice):
        location, secret = begin()

        answer = alice.get(_path(location).replace("/start", "/resume"))

        assert answer.status_code == 200
        assert finish(forwarded.code_in(answer), secret).status == 302

    def test_the_cookie_is_for_this_host_alone(self, wiki, alice):
        location, secret = begin()
        done = finish(forwarded.code_in(alice.get(_path(location))), secret)

        (set_cookie,) = (
            v for n, v in done.fields if n == "Set-Cookie" and "__Host-sallyport=" in v
        )
        assert set(set_cookie.split("; ")[1:]) == {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"}
        assert "Strict-Transport-Security" not in dict(done.fields), "the host is not ours"
        kept = ForwardSession.unscoped.get()
        assert bytes(kept.digest) != done.cookies["__Host-sallyport"].encode()
        assert kept.ends_at <= LoginSession.unscoped.get().expires_at

    def test_a_code_is_good_once(self, wiki, alice):
        location, secret = begin()
        code = forwarded.code_in(alice.get(_path(location)))
        assert finish(code, secret).status == 302

        again = finish(code, secret)

        assert (again.status, again.cookies) == (400, {})
        assert ForwardSession.unscoped.count() == 1

    def test_a_code_is_good_for_a_minute(self, wiki, alice, later):
        location, secret = begin()
        code = forwarded.code_in(alice.get(_path(location)))
        later(seconds=61)

        assert finish(code, secret).status == 400

    @pytest.mark.parametrize("secret", ["", "x" * 43])
    def test_a_code_is_good_in_the_browser_that_began(self, wiki, alice, secret):
        location, _ = begin()
        code = forwarded.code_in(alice.get(_path(location)))

        assert finish(code, secret).status == 400
        assert ForwardSession.unscoped.count() == 0

    def test_a_code_is_good_at_its_own_host(self, acme, wiki, alice):
        forwarded.wiki(acme, origin="https://books.acme.example")
        location, secret = begin()
        code = forwarded.code_in(alice.get(_path(location)))

        assert finish(code, secret, origin="https://books.acme.example").status == 400

    def test_a_session_that_ended_meanwhile_gives_no_cookie(self, wiki, alice, now):
        location, secret = begin()
        code = forwarded.code_in(alice.get(_path(location)))
        end_session(session=LoginSession.unscoped.get(), reason=EndReason.SIGNED_OUT, now=now)

        assert finish(code, secret).status == 400

    def test_several_pages_on_their_way_keep_one_secret(self, wiki, alice):
        location, secret = begin("/one")
        other = at_host("/.sallyport/sign-in?rd=%2Ftwo", cookies={"__Host-sallyport-state": secret})

        assert other.cookies["__Host-sallyport-state"] == secret
        for address in (location, other["Location"]):
            assert finish(forwarded.code_in(alice.get(_path(address))), secret).status == 302

    def test_signing_in_again_ends_the_cookie_before(self, wiki, alice):
        first = forwarded.sign_in(alice)
        location, secret = begin()

        finish(forwarded.code_in(alice.get(_path(location))), secret, cookie=first)

        assert ask(cookie=first).status == 401

    @pytest.mark.parametrize(
        "rd",
        [
            "https://evil.example/", "https://wiki.acme.example.evil.example/", "//wiki.acme.example/",
            "https://wiki.acme.example@evil.example/", "https://evil.example/https://wiki.acme.example/",
            "http://wiki.acme.example/", "https://wiki.acme.example:444/", "javascript:alert(1)",
            "https://wiki.acme.example\\@evil.example/", "https://wiki.acme.example", "", "/",
            "https://wiki.acme.example%2f@evil.example/", "https://wiki.acme.example./",
        ],
    )  # fmt: skip
    def test_nobody_is_led_to_what_is_not_registered(self, wiki, alice, rd):
        answer = alice.get("/forward-auth/start", {"rd": rd, "state": "s" * 43})

        assert answer.status_code == 404
        assert "Location" not in answer.headers
        assert ForwardCode.unscoped.count() == 0

    @pytest.mark.parametrize("rd", ["//evil.example/", "\\\\evil.example", "https://evil.example/"])
    def test_nor_by_the_way_back(self, wiki, alice, rd):
        moved = at_host(f"/.sallyport/sign-in?rd={quote(rd, safe='')}")
        answer = alice.get(_path(moved["Location"]))
        done = finish(forwarded.code_in(answer), moved.cookies["__Host-sallyport-state"])

        assert done["Location"].startswith(f"{ORIGIN}/")

    def test_without_an_image_of_a_secret_nothing_is_given(self, wiki, alice):
        answer = alice.get("/forward-auth/start", {"rd": f"{ORIGIN}/", "state": "short"})

        assert answer.status_code == 400
        assert ForwardCode.unscoped.count() == 0

    def test_another_organisations_people_are_not_let_in(self, wiki, client, outsider):
        cast.sign_in(client, outsider)
        location, _ = begin()

        assert client.get(_path(location)).status_code == 403
        assert ForwardCode.unscoped.count() == 0

    def test_a_step_up_comes_back(self, acme, client, employee):
        forwarded.wiki(acme, required_acr="aal2")
        cast.sign_in(client, employee, acr="aal1")
        location, _ = begin()

        answer = client.get(_path(location))

        assert answer["Location"].startswith("/step-up/?next=%2Fforward-auth%2Fresume")
        assert "acr=aal2" in answer["Location"]

    def test_signing_out_ends_it_here_and_asks_about_the_rest(self, wiki, alice):
        cookie = forwarded.sign_in(alice)

        out = at_host("/.sallyport/sign-out", cookies={"__Host-sallyport": cookie})

        assert out["Location"].endswith("/accounts/logout/")
        assert ask(cookie=cookie).status == 401
        assert LoginSession.unscoped.get().ended_at is None

    def test_another_site_signs_nobody_out(self, wiki, alice):
        cookie = forwarded.sign_in(alice)

        at_host(
            "/.sallyport/sign-out",
            cookies={"__Host-sallyport": cookie},
            HTTP_SEC_FETCH_SITE="cross-site",
        )

        assert ask(cookie=cookie).status == 200

    def test_nothing_else_is_at_the_host(self, wiki):
        assert at_host("/.sallyport/").status == 404
        assert at_host("/.sallyport/admin").status == 404
        assert at_host("/.sallyport/callback", REQUEST_METHOD="POST").status == 405

    def test_what_happened_is_written_down(self, wiki, alice):
        cookie = forwarded.sign_in(alice)
        at_host("/.sallyport/sign-out", cookies={"__Host-sallyport": cookie})

        events = AuditEvent.objects.filter(event__startswith="idp.forward_auth").order_by("id")
        assert [row.event for row in events] == [
            "idp.forward_auth.code_issued", "idp.forward_auth.signed_in",
            "idp.forward_auth.signed_out",
        ]  # fmt: skip
        session = LoginSession.unscoped.get()
        assert {row.session_id for row in events} == {session.id}
        assert {row.actor for row in events} == {f"accounts.User:{session.user_id}"}
        assert events[1].address == forwarded.VISITOR

    def test_what_is_over_is_purged(self, wiki, alice, later):
        forwarded.sign_in(alice)
        later(days=3)

        purge()

        assert ForwardCode.unscoped.count() == ForwardSession.unscoped.count() == 0


class TestTakingBack:
    @pytest.fixture
    def cookie(self, wiki, alice):
        return forwarded.sign_in(alice)

    def test_it_is_listed_with_its_last_use(self, wiki, alice, cookie, employee, later):
        [told] = connected_applications(employee.user, now=clock.now())
        assert (told.client, told.origins) == (wiki, (ORIGIN,))
        assert told.last_used_at == told.granted_at
        later(minutes=5)
        ask(cookie=cookie, HTTP_SEC_FETCH_DEST="empty")
        assert connected_applications(employee.user, now=clock.now()) == [told]
        ask(cookie=cookie)

        [used] = connected_applications(employee.user, now=clock.now())
        assert used.last_used_at - told.last_used_at >= timedelta(minutes=5)
        page = alice.get("/security/applications/").content.decode()
        assert ORIGIN in page
        assert "last used" in page

    def test_its_use_is_noted_also_where_the_session_was_touched_elsewhere(
        self, cookie, later, statements
    ):
        later(minutes=5)
        LoginSession.unscoped.update(last_used_at=clock.now())
        ask(cookie=cookie)
        assert ForwardSession.unscoped.get().last_used_at is not None
        statements.clear()

        ask(cookie=cookie)

        assert len(statements) == 1

    def test_the_next_request_is_refused_in_every_browser(self, wiki, alice, cookie, employee):
        other = Browser()
        cast.sign_in(other, employee)
        second = forwarded.sign_in(other)

        answer = alice.post(f"/applications/{wiki.pk}/withdraw/")

        assert answer["Location"] == "/security/applications/"
        assert [ask(cookie=each).status for each in (cookie, second)] == [401, 401]
        assert connected_applications(employee.user, now=clock.now()) == []
        event = AuditEvent.objects.get(event="idp.consent.revoked")
        assert event.facts["forward_sessions"] == 2

    def test_another_persons_stays(self, wiki, alice, cookie, approver):
        bob = Browser()
        cast.sign_in(bob, approver)
        theirs = forwarded.sign_in(bob)

        alice.post(f"/applications/{wiki.pk}/withdraw/")

        assert ask(cookie=theirs).status == 200

    def test_who_comes_back_proves_again_that_it_is_they(self, wiki, alice, cookie, later):
        later(seconds=30)
        alice.post(f"/applications/{wiki.pk}/withdraw/")
        later(seconds=30)
        location, secret = begin()

        answer = alice.get(_path(location))
        assert answer["Location"].startswith("/step-up/?next=%2Fforward-auth%2Fresume")
        assert "max_age=30" in answer["Location"]
        assert alice.get(answer["Location"]).status_code == 200  # asks for the proof
        assert ForwardCode.unscoped.filter(used_at=None).count() == 0
        LoginSession.unscoped.update(auth_time=clock.now())

        done = finish(forwarded.code_in(alice.get(_path(location))), secret)
        assert done.status == 302

    def test_it_lasts_as_long_as_a_session_may(self, wiki, alice, cookie, later):
        alice.post(f"/applications/{wiki.pk}/withdraw/")
        later(days=3)
        purge()
        assert ForwardSession.unscoped.count() == 1
        later(days=5)
        purge()
        assert ForwardSession.unscoped.count() == 0


class TestABoundSession:
    """Its key is shown at our own host; a cookie that comes from elsewhere has to pass by there."""

    @pytest.fixture
    def cookie(self, wiki, alice, now):
        cookie = forwarded.sign_in(alice)
        LoginSession.unscoped.update(binding="webcrypto", proven_at=now)
        assert ask(cookie=cookie).status == 200
        return cookie

    @pytest.mark.parametrize(
        "changed",
        [{"HTTP_X_FORWARDED_FOR": "203.0.113.99"}, {"HTTP_USER_AGENT": "curl/8"}],
        ids=["network", "browser"],
    )
    def test_a_copied_cookie_is_led_to_where_the_key_is_shown(self, cookie, changed):
        assert ask(cookie=cookie, **changed).status == 401

    def test_one_that_is_not_bound_is_judged_by_policy_alone(self, cookie):
        LoginSession.unscoped.update(binding="", proven_at=None)

        assert ask(cookie=cookie, HTTP_X_FORWARDED_FOR="203.0.113.99").status == 200


class TestAssertion:
    def test_it_is_for_this_application_and_a_minute(self, wiki, alice, employee, settings):
        cookie = forwarded.sign_in(alice)

        told = ask(cookie=cookie)["Remote-Assertion"]

        published = KeySet.import_key_set(json.loads(keys.jwks()))
        token = jwt.decode(told, published, algorithms=["ES256"])
        assert token.header["typ"] == "forward-auth+jwt"
        assert token.claims["iss"] == settings.ISSUER
        assert token.claims["aud"] == wiki.client_id
        assert token.claims["origin"] == ORIGIN
        assert token.claims["sub"] == str(employee.user.pk)
        assert token.claims["exp"] - token.claims["iat"] == 60
        assert token.claims["acr"] == "aal2"
        assert token.claims["device_tier"] == 0

    def test_it_is_no_token_of_ours_for_anything_else(self, wiki, alice):
        told = ask(cookie=forwarded.sign_in(alice))["Remote-Assertion"]

        answer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {told}")

        assert answer.status == 401

    def test_it_ends_with_the_session_and_with_the_role(self, wiki, alice, employee, acme, now):
        cookie = forwarded.sign_in(alice)
        role = accounts.create_role(organisation=acme, name="keeper", now=now)
        accounts.assign_role(
            user=employee.user, role=role, ends_at=now + timedelta(seconds=30), now=now
        )

        claims = oauth.claims_of(ask(cookie=cookie)["Remote-Assertion"])

        assert claims["exp"] <= (now + timedelta(seconds=30)).timestamp()
        assert claims["roles"] == ["keeper"]


class TestNamesInHeaders:
    def test_a_name_that_holds_a_comma_passes_for_no_two(self, wiki, alice, employee, acme, now):
        for name in ("readers", "a,admins", "zoë"):
            group = accounts.create_group(organisation=acme, name=name, now=now)
            accounts.add_group_member(group=group, user=employee.user, now=now)

        told = ask(cookie=forwarded.sign_in(alice))

        assert told["Remote-Groups"].encode("latin-1").decode() == "readers,zoë"

    def test_a_name_ends_no_line(self, wiki, alice, employee):
        employee.user.name = "Alice\r\nRemote-User: root\x7f"
        employee.user.save()

        told = ask(cookie=forwarded.sign_in(alice))

        assert told["Remote-Name"] == "AliceRemote-User: root"


class TestHelp:
    def test_it_says_why_and_offers_what_helps(self, acme, alice, employee, approver, now):
        from access.models import Entitlement
        from tests.support import access

        entitlement = access.entitlement(acme, by=[approver], eligible=[employee])
        role = entitlement.entitlement_roles.get().role
        forwarded.wiki(acme, rules=[{"prefix": "/", "roles": [role.name]}])

        page = alice.get("/forward-auth/help", {"rd": f"{ORIGIN}/page"})

        assert isinstance(entitlement, Entitlement)
        text = page.content.decode()
        assert page.status_code == 200
        assert "none of the roles" in text
        assert f"/access/request/?entitlement={entitlement.name}" in text

    @pytest.mark.parametrize(("resource", "is_offered"), [("orders", True), ("sales", False)])
    def test_access_to_a_resource_is_offered_where_that_lies(
        self, acme, alice, employee, approver, resource, is_offered
    ):
        from tests.support import access

        limited = access.entitlement(
            acme, by=[approver], eligible=[employee],
            resources=[{"type": "database", "id": resource}],
        )  # fmt: skip
        role = limited.entitlement_roles.get().role
        rule = {"prefix": "/", "roles": [role.name], "resource": "database:orders"}
        forwarded.wiki(acme, rules=[rule])

        page = alice.get("/forward-auth/help", {"rd": f"{ORIGIN}/page"}).content.decode()

        assert (f"/access/request/?entitlement={limited.name}" in page) is is_offered

    def test_it_leads_nowhere_else(self, wiki, alice):
        assert alice.get("/forward-auth/help", {"rd": "https://evil.example/"}).status_code == 404


def _path(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}"
