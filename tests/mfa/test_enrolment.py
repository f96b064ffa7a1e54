"""Adding and removing factors, through the pages."""

import base64
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client as Browser

from accounts.models import Role, RoleAssignment
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from mfa import flows, totp
from mfa.models import PasskeyFactor, RecoveryCode, RecoveryCodesFactor, TotpFactor
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import HARDWARE


def shown_seed(page: str) -> bytes:
    key = re.search(r'id="totp-key">([A-Z2-7 ]+)<', page)
    assert key is not None
    return base64.b32decode(key.group(1).replace(" ", ""))


def code_for(seed: bytes) -> str:
    from django_otp.oath import hotp

    return f"{hotp(seed, totp.step_at(clock.now())):06d}"


def mails() -> list[str]:
    return [message.subject for message in mail.outbox]


def events(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=name).order_by("at", "id"))


def require_second_factor(who: Person, now: object) -> None:
    role = Role.objects.create(
        organisation=who.user.organisation, name="clerk", required_acr="aal2"
    )
    RoleAssignment.objects.create(
        organisation=who.user.organisation, user=who.user, role=role, starts_at=now
    )


class TestAuthenticatorApp:
    def test_it_is_on_after_the_first_code(self, client: Browser, newcomer: Person) -> None:
        session = cast.sign_in(client, newcomer, acr="aal1")
        seed = shown_seed(client.get("/mfa/totp/").content.decode())

        answer = client.post("/mfa/totp/", {"code": code_for(seed)})

        assert answer["Location"] == "/mfa/recovery-codes/"
        factor = TotpFactor.objects.get(user=newcomer.user, confirmed=True)
        assert bytes(factor.seed) == seed
        assert factor.last_step == totp.step_at(clock.now())
        session.refresh_from_db()
        assert (session.acr, session.amr) == ("aal2", ["mfa", "otp", "pwd"])
        assert mails() == ["An authenticator app was added"]
        assert [event.facts["type"] for event in events("mfa.factor.added")] == ["totp"]

    def test_the_seed_stands_sealed_in_the_database(
        self, client: Browser, newcomer: Person
    ) -> None:
        from django.db import connection

        cast.sign_in(client, newcomer, acr="aal1")
        seed = shown_seed(client.get("/mfa/totp/").content.decode())
        client.post("/mfa/totp/", {"code": code_for(seed)})

        with connection.cursor() as cursor:
            cursor.execute("SELECT seed FROM mfa_totpfactor")
            kept = bytes(cursor.fetchone()[0])
            cursor.execute("SELECT string_agg(session_data, '') FROM django_session")
            cookies = cursor.fetchone()[0]
        assert seed not in kept
        assert totp.key_for_people(seed).replace(" ", "") not in cookies

    def test_the_confirming_code_does_not_sign_in_as_well(
        self, client: Browser, newcomer: Person
    ) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        seed = shown_seed(client.get("/mfa/totp/").content.decode())
        code = code_for(seed)
        client.post("/mfa/totp/", {"code": code})

        assert (
            flows.prove_code(user=newcomer.user, method="totp", code=code, now=clock.now()) is None
        )

    def test_a_wrong_code_keeps_the_seed_and_says_so(
        self, client: Browser, newcomer: Person
    ) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        seed = shown_seed(client.get("/mfa/totp/").content.decode())
        wrong = f"{(int(code_for(seed)) + 1) % 1_000_000:06d}"

        answer = client.post("/mfa/totp/", {"code": wrong})

        assert "not right" in answer.content.decode()
        assert shown_seed(answer.content.decode()) == seed
        assert not TotpFactor.objects.filter(user=newcomer.user).exists()

    def test_it_goes_back_to_where_one_was_bound_for(
        self, client: Browser, newcomer: Person
    ) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        page = client.get("/mfa/totp/", {"next": "/step-up/?acr=aal2&next=/sessions/"})
        seed = shown_seed(page.content.decode())

        answer = client.post(
            "/mfa/totp/",
            {"code": code_for(seed), "next": "/step-up/?acr=aal2&next=/sessions/"},
        )

        assert answer["Location"] == "/step-up/?acr=aal2&next=/sessions/"
        assert client.get(answer["Location"])["Location"] == "/sessions/"

    def test_a_second_one_is_refused(self, employee: Person, now: object) -> None:
        seed = totp.new_seed()

        with pytest.raises(Refusal, match="conflict"):
            flows.add_totp(user=employee.user, seed=seed, code=code_for(seed), now=now)

    def test_it_can_be_removed(self, client: Browser, employee: Person) -> None:
        cast.sign_in(client, employee)

        answer = client.post("/mfa/totp/remove/")

        assert answer.status_code == 302
        assert not TotpFactor.objects.filter(user=employee.user).exists()
        assert mails() == ["Your authenticator app was removed"]
        assert len(events("mfa.factor.removed")) == 1


class TestPasskeys:
    def test_one_is_added_and_named_after_where_it_is_kept(
        self, client: Browser, newcomer: Person
    ) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        key = passkeys.authenticator(
            flags=HARDWARE, aaguid=bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")
        )
        options = passkeys.options(client, passkeys.ADD)

        answer = passkeys.finish(client, passkeys.ADD, key.create(options))

        assert answer.json() == {"redirect": "/mfa/recovery-codes/"}
        passkey = PasskeyFactor.objects.get(user=newcomer.user)
        assert passkey.name == "YubiKey 5 NFC"
        assert (passkey.backup_eligible, passkey.backed_up) == (False, False)
        assert passkey.transports == ["hybrid", "internal"]
        assert LoginSession.unscoped.get(user=newcomer.user, ended_at=None).acr == "phrh"
        assert mails() == ["A passkey was added"]

    def test_the_options_ask_for_a_discoverable_verified_passkey(
        self, client: Browser, newcomer: Person
    ) -> None:
        old = passkeys.authenticator()
        passkeys.register(newcomer, old)
        cast.sign_in(client, newcomer, acr="aal2")

        options = passkeys.options(client, passkeys.ADD)

        selection = options["authenticatorSelection"]
        assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
        assert [known["id"] for known in options["excludeCredentials"]] == old.credential_ids
        assert options["extensions"] == {"credProps": True}
        assert options["hints"] == ["client-device", "hybrid", "security-key"]
        assert [kind["alg"] for kind in options["pubKeyCredParams"]] == [-7, -8, -257]
        assert newcomer.email not in str(options["user"]["id"])

    def test_several_of_one_kind_are_numbered(self, newcomer: Person) -> None:
        names = [passkeys.register(newcomer, passkeys.authenticator()).name for _ in range(3)]

        assert names == ["Passkey", "Passkey 2", "Passkey 3"]

    def test_it_goes_on_to_where_one_was_bound_for(self, client: Browser, newcomer: Person) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        page = client.get("/mfa/passkeys/add/", {"next": "/sessions/"}).content.decode()
        options = passkeys.options(client, passkeys.ADD)

        answer = passkeys.post(
            client,
            f"{passkeys.ADD[1]}?next=/sessions/",
            {"credential": passkeys.authenticator().create(options)},
        )

        assert "/mfa/passkeys/add/finish/?next=%2Fsessions%2F" in page
        assert answer.json() == {"redirect": "/sessions/"}

    def test_one_can_be_renamed(self, client: Browser, newcomer: Person) -> None:
        passkey = passkeys.register(newcomer, passkeys.authenticator())
        cast.sign_in(client, newcomer)

        client.post(f"/mfa/passkeys/{passkey.row_id}/rename/", {"name": "  My phone "})

        passkey.refresh_from_db()
        assert passkey.name == "My phone"
        assert len(events("mfa.factor.renamed")) == 1

    def test_the_list_tells_the_browser_which_are_known(
        self, client: Browser, newcomer: Person
    ) -> None:
        key = passkeys.authenticator()
        passkeys.register(newcomer, key)
        cast.sign_in(client, newcomer)

        page = client.get("/mfa/passkeys/").content.decode()

        assert key.credential_ids[0] in page
        assert "allAcceptedCredentialIds" in page

    @pytest.mark.parametrize("act", ["rename", "remove"])
    def test_somebody_elses_does_not_exist(
        self, client: Browser, newcomer: Person, outsider: Person, act: str
    ) -> None:
        passkey = passkeys.register(outsider, passkeys.authenticator())
        cast.sign_in(client, newcomer, acr="aal1")

        answer = client.post(f"/mfa/passkeys/{passkey.row_id}/{act}/", {"name": "mine"})

        assert answer.status_code == 404
        assert PasskeyFactor.objects.get().name == "Passkey"

    def test_no_more_than_a_browser_can_list(self, newcomer: Person) -> None:
        from mfa.passkeys import MAX_PASSKEYS_PER_USER

        for _ in range(MAX_PASSKEYS_PER_USER):
            passkeys.register(newcomer, passkeys.authenticator())

        with pytest.raises(Refusal, match="conflict"):
            passkeys.register(newcomer, passkeys.authenticator())


class TestRecoveryCodes:
    def test_a_sheet_is_shown_once(self, client: Browser, employee: Person) -> None:
        cast.sign_in(client, employee)

        answer = client.post("/mfa/recovery-codes/")
        again = client.get("/mfa/recovery-codes/").content.decode()

        codes = re.findall(r"data-copy-item>([^<]+)<", answer.content.decode())
        assert len(codes) == 10
        assert "no-store" in answer["Cache-Control"]
        assert not any(code in again for code in codes)
        kept = {bytes(row.digest) for row in RecoveryCode.objects.all()}
        assert len(kept) == 10
        assert not any(code.encode() in digest for code in codes for digest in kept)
        assert mails() == ["New recovery codes were made"]

    def test_a_new_sheet_voids_the_former(self, employee: Person, now: object) -> None:
        old = flows.make_recovery_codes(user=employee.user, now=now)
        flows.make_recovery_codes(user=employee.user, now=now)

        assert flows.prove_code(user=employee.user, method="recovery", code=old[0], now=now) is None

    def test_without_a_factor_there_is_nothing_to_stand_in_for(
        self, newcomer: Person, now: object
    ) -> None:
        with pytest.raises(Refusal, match="not_allowed"):
            flows.make_recovery_codes(user=newcomer.user, now=now)

    def test_they_go_with_the_last_factor(self, employee: Person, now: object) -> None:
        flows.make_recovery_codes(user=employee.user, now=now)

        flows.remove_totp(user=employee.user, now=now)

        assert not RecoveryCodesFactor.objects.exists()
        assert not RecoveryCode.objects.exists()


class TestEveryChange:
    def test_ends_the_other_sessions_and_keeps_this_one(
        self, client: Browser, newcomer: Person
    ) -> None:
        other = Browser()
        lost = cast.sign_in(other, newcomer, acr="aal1")
        kept = cast.sign_in(client, newcomer, acr="aal1")
        options = passkeys.options(client, passkeys.ADD)

        passkeys.finish(client, passkeys.ADD, passkeys.authenticator().create(options))

        lost.refresh_from_db()
        kept.refresh_from_db()
        assert lost.end_reason == EndReason.CREDENTIALS_CHANGED
        assert kept.ended_at is None
        assert client.get("/sessions/").status_code == 200
        assert other.get("/sessions/").status_code == 302

    @pytest.mark.parametrize(
        "path",
        [
            "/mfa/totp/",
            "/mfa/totp/remove/",
            "/mfa/passkeys/add/",
            "/mfa/passkeys/00000000-0000-4000-8000-000000000000/rename/",
            "/mfa/passkeys/00000000-0000-4000-8000-000000000000/remove/",
            "/mfa/recovery-codes/",
        ],
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_asks_for_a_fresh_session(
        self, client: Browser, employee: Person, path: str, method: str
    ) -> None:
        cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))

        answer = getattr(client, method)(path)

        assert answer.status_code == 302
        assert answer["Location"].startswith("/step-up/?next=%2Fmfa%2F")
        assert "acr=aal2" in answer["Location"]

    @pytest.mark.parametrize("path", passkeys.ADD)
    def test_asks_for_a_fresh_session_in_json_too(
        self, client: Browser, employee: Person, path: str
    ) -> None:
        cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))

        answer = passkeys.post(client, path, {})

        assert answer.json()["redirect"].startswith("/step-up/?next=%2Fmfa%2Fpasskeys%2Fadd%2F")
        assert client.get(path)["Location"] == "/mfa/passkeys/add/"

    def test_asks_for_as_much_as_its_user_can_prove(
        self, client: Browser, employee: Person
    ) -> None:
        cast.sign_in(client, employee, acr="aal1")

        assert client.get("/mfa/totp/remove/").status_code == 302


class TestTheLastFactor:
    def test_stays_when_a_role_requires_it(
        self, client: Browser, employee: Person, now: object
    ) -> None:
        require_second_factor(employee, now)
        cast.sign_in(client, employee)

        answer = client.post("/mfa/totp/remove/")

        assert "One of your roles requires a second step" in answer.content.decode()
        assert TotpFactor.objects.filter(user=employee.user).exists()

    def test_may_go_when_there_is_another(self, employee: Person, now: object) -> None:
        require_second_factor(employee, now)
        passkeys.register(employee, passkeys.authenticator())

        flows.remove_totp(user=employee.user, now=now)

        assert flows.has_second_factor(employee.user)

    def test_stays_when_it_is_the_only_way_in(self, newcomer: Person, now: object) -> None:
        passkey = passkeys.register(newcomer, passkeys.authenticator())
        newcomer.user.set_unusable_password()
        newcomer.user.save()

        with pytest.raises(Refusal, match="only way to sign in"):
            flows.remove_passkey(user=newcomer.user, row_id=passkey.row_id, now=now)

    @pytest.mark.django_db(transaction=True)
    def test_two_removals_at_once_do_not_both_leave_the_other(
        self, employee: Person, now: object
    ) -> None:
        from tests.support.racing import race

        require_second_factor(employee, now)
        passkey = passkeys.register(employee, passkeys.authenticator())

        def remove(number: int) -> bool:
            try:
                if number:
                    flows.remove_totp(user=employee.user, now=now)
                else:
                    flows.remove_passkey(user=employee.user, row_id=passkey.row_id, now=now)
            except Refusal:
                return False
            return True

        assert sorted(race(remove, runners=2)) == [False, True]
        assert flows.has_second_factor(employee.user)


def test_purging_deletes_challenges_that_are_long_over(client: Browser, db: None) -> None:
    from mfa.models import PasskeyChallenge
    from mfa.tasks import purge

    passkeys.options(client, passkeys.LOGIN)
    clock.shift(timedelta(hours=2))
    passkeys.options(client, passkeys.LOGIN)

    assert purge() == 1
    assert PasskeyChallenge.objects.count() == 1
