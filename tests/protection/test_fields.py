"""Sealed columns: plain in Python, sealed at rest, bound to their row."""

import json
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Model

from accounts.mail import pack
from accounts.models import OutgoingMail
from core.ids import new_id
from idp import keys
from idp.models import RefreshFamily, SigningKey
from mfa.models import TotpFactor
from protection.keyring import KeyUnavailable
from tests.support import oauth

pytestmark = pytest.mark.django_db


def raw(model: type[Model], column: str, pk: Any) -> bytes:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE id = %s", [pk])
        return bytes(cursor.fetchone()[0])


def overwrite(model: type[Model], column: str, pk: Any, value: bytes) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, pk])


def tables_that_hold(secret: bytes) -> list[str]:
    """Every table with a row in which these bytes stand, as they are or in hexadecimal digits."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE strpos(t::text, %s) > 0'
                " OR strpos(t::text, %s) > 0",
                [secret.hex(), secret.decode("latin-1").replace("\0", "")],
            )
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def factor_of(person) -> TotpFactor:
    return TotpFactor.objects.get(user=person.user)


class TestAtRest:
    def test_the_search_finds_what_is_there(self, employee):
        assert "accounts_user" in tables_that_hold(employee.email.encode())
        assert tables_that_hold(raw(TotpFactor, "seed", factor_of(employee).pk))

    def test_no_totp_seed_stands_in_the_database(self, employee):
        assert factor_of(employee).seed == employee.totp_seed
        assert tables_that_hold(employee.totp_seed) == []

    def test_no_private_key_stands_in_the_database(self, db):
        keys.signing_key("ES256"), keys.signing_key("RS256")

        for key in SigningKey.objects.all():
            assert key.private
            assert tables_that_hold(key.private) == []
            assert tables_that_hold(key.private[-40:]) == []

    def test_no_mail_stands_in_the_database(self, now):
        message = EmailMessage("Hello", "Follow https://id.example/reset/canary-9b1f", to=["a@b.c"])
        OutgoingMail.objects.create(message=pack(message), created_at=now, next_attempt_at=now)

        assert json.loads(OutgoingMail.objects.get().message)["body"] == message.body
        assert tables_that_hold(b"canary-9b1f") == []

    def test_no_refresh_token_stands_in_the_database(self, client, employee, acme_web):
        from tests import cast

        session = cast.sign_in(client, employee)
        code = oauth.issue_code(acme_web, session)
        tokens = oauth.redeem(acme_web, code).json
        successor = oauth.refresh(acme_web, tokens["refresh_token"]).json

        for secret in (code, cast.SECRET, tokens["refresh_token"], successor["refresh_token"]):
            assert tables_that_hold(secret.encode()) == []
        for token in (tokens["access_token"], tokens["id_token"]):
            assert tables_that_hold(token.rpartition(".")[2].encode()) == []


class TestBinding:
    def test_a_seed_moved_to_another_row_does_not_open(self, acme, employee, approver):
        mine, yours = factor_of(employee), factor_of(approver)

        overwrite(TotpFactor, "seed", mine.pk, raw(TotpFactor, "seed", yours.pk))

        with pytest.raises(KeyUnavailable):
            factor_of(employee).seed  # noqa: B018

    def test_nor_one_of_another_organisation(self, employee, outsider):
        overwrite(
            TotpFactor, "seed", factor_of(employee).pk,
            raw(TotpFactor, "seed", factor_of(outsider).pk),
        )  # fmt: skip

        with pytest.raises(KeyUnavailable):
            factor_of(employee).seed  # noqa: B018

    def test_nor_does_a_row_that_was_moved_to_another_organisation(self, employee, globex):
        row = factor_of(employee)
        row.organisation_id = globex.id

        with pytest.raises(KeyUnavailable):
            row.seed  # noqa: B018

    def test_a_value_of_another_column_does_not_open(self, now):
        keys.signing_key("ES256")
        mail = OutgoingMail.objects.create(message=b"x", created_at=now, next_attempt_at=now)
        key = SigningKey.objects.first()
        overwrite(SigningKey, "private", key.pk, raw(OutgoingMail, "message", mail.pk))

        with pytest.raises(KeyUnavailable):
            SigningKey.objects.get(pk=key.pk).private  # noqa: B018

    def test_an_older_value_of_the_row_itself_opens(self, employee):
        """What sealing cannot see: a replay within one row. Nobody but the database's owner can."""
        row = factor_of(employee)
        older = raw(TotpFactor, "seed", row.pk)
        row.seed = b"n" * 20
        row.save()

        overwrite(TotpFactor, "seed", row.pk, older)

        assert factor_of(employee).seed == employee.totp_seed


class TestTheAttribute:
    def test_it_is_unsealed_when_read_and_once(self, employee, django_assert_num_queries):
        row = factor_of(employee)
        row.seed  # noqa: B018

        with django_assert_num_queries(0):
            assert row.seed == employee.totp_seed

    def test_saving_without_reading_keeps_what_is_stored(self, employee):
        before = raw(TotpFactor, "seed", factor_of(employee).pk)

        factor_of(employee).save()

        assert raw(TotpFactor, "seed", factor_of(employee).pk) == before

    def test_a_deferred_value_is_fetched(self, employee):
        row = TotpFactor.objects.defer("seed").get(user=employee.user)

        assert row.seed == employee.totp_seed

    def test_a_refreshed_row_reads_anew(self, employee):
        row = factor_of(employee)
        other = factor_of(employee)
        other.seed = b"n" * 20
        other.save()

        row.refresh_from_db()

        assert row.seed == b"n" * 20

    def test_values_gives_sealed_bytes_only(self, employee):
        (value,) = TotpFactor.objects.values_list("seed", flat=True)

        assert employee.totp_seed not in bytes(value)

    def test_many_rows_are_sealed_each_for_itself(self, now):
        mails = [
            OutgoingMail(id=new_id(), message=b"same", created_at=now, next_attempt_at=now)
            for _ in range(2)
        ]
        OutgoingMail.objects.bulk_create(mails)

        assert [row.message for row in OutgoingMail.objects.all()] == [b"same"] * 2
        assert len({raw(OutgoingMail, "message", row.pk) for row in mails}) == 2

    @pytest.mark.parametrize("write", ["update", "bulk_update", "filter"])
    def test_plain_bytes_never_pass_beside_it(self, now, write):
        mail = OutgoingMail.objects.create(message=b"x", created_at=now, next_attempt_at=now)

        with pytest.raises(TypeError, match="sealed by saving its row"), transaction.atomic():
            if write == "update":
                OutgoingMail.objects.update(message=b"plain text")
            elif write == "bulk_update":
                mail.message = b"plain text"
                OutgoingMail.objects.bulk_update([mail], ["message"])
            else:
                list(OutgoingMail.objects.filter(message=b"plain text"))

        assert tables_that_hold(b"plain text") == []

    def test_the_successor_of_a_refresh_token_is_bound_to_family_and_client(
        self, client, employee, acme_web
    ):
        from tests import cast

        session = cast.sign_in(client, employee)
        mine, yours = (
            oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json for _ in range(2)
        )
        for tokens in (mine, yours):
            oauth.refresh(acme_web, tokens["refresh_token"])
        first, second = RefreshFamily.unscoped.order_by("id")
        RefreshFamily.unscoped.filter(pk=first.pk).update(successor_sealed=second.successor_sealed)

        replies = [oauth.refresh(acme_web, tokens["refresh_token"]) for tokens in (mine, yours)]

        assert sorted(reply.status for reply in replies) == [200, 503]
