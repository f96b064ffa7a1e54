"""Versions of policy: who may make one count, from when, and what is believed of the database."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from access.models import Grant
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from policy import approval, bundle, engine, signing
from policy.decision import Outcome
from policy.facts import Trigger
from policy.flows import publish_version, roll_back, write_version
from policy.models import PolicyKey, PolicyVersion, Publication
from policy.response import Act, Action, Signal
from policy.versions import Published
from tests.cast import Person
from tests.policy.test_decisions import GOOD
from tests.support.publishing import (
    administering,
    agreed,
    promote,
    publish,
    publish_by,
    session_of,
)
from tests.support.racing import race

pytestmark = pytest.mark.django_db

SHIPPED = {path.name: path.read_text() for path in settings.POLICY_DIR.glob("*.rego")}
HEAD = "package sallyport.slow\n\nimport rego.v1\n\n"
RULE = 'reasons contains "closed_today" if input.trigger == "userinfo"\n'
OWN = """package sallyport.closed_test

import data.sallyport
import rego.v1

test_it_is_closed if "closed_today" in sallyport.reasons with input as {"trigger": "userinfo"}
"""
CLOSED = SHIPPED | {
    "session.rego": SHIPPED["session.rego"] + RULE,
    "closed_test.rego": OWN,
}
ASKED = GOOD._replace(trigger=Trigger.USERINFO)


@pytest.fixture
def author(approver):
    return promote(approver).user


@pytest.fixture
def publisher(employee):
    return promote(employee).user


@pytest.fixture
def closed(author, now):
    return write_version(author=author, modules=CLOSED, note="Closed today", now=now)


def another(author, now, word="closed_tomorrow"):
    modules = {name: text.replace("closed_today", word) for name, text in CLOSED.items()}
    return write_version(author=author, modules=modules, note=word, now=now)


def back(person, **how):
    return roll_back(publisher=person, reason="It locks us out", now=clock.now(), **how)


def reasons():
    return engine.decide(ASKED).reasons


def events(name):
    return list(AuditEvent.objects.filter(event=name).order_by("id"))


class TestWriting:
    def test_it_is_kept_with_what_its_tests_say_and_does_not_count(self, closed, author):
        assert closed.revision == bundle.of_modules(CLOSED).revision
        assert (closed.author, closed.signature) == (author, "")
        assert {run["name"] for run in closed.check_result["tests"]} >= {"test_it_is_closed"}
        assert reasons() == ()
        (event,) = events("policy.version.written")
        assert (event.actor, event.facts["revision"]) == (
            f"accounts.User:{author.id}",
            closed.revision,
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("package sallyport.bad\n\nx := {\ny := 1\n", "bad.rego:4: expecting `}`"),
            ("package sallyport.bad\n\nx := nowhere\n", "bad.rego:3: var nowhere is unsafe"),
            ("package sallyport.bad\n\nx := conjure(1)\n", "bad.rego:3: could not find function conj"),
            ("package sallyport.bad\n\nf(y) := conjure(y)\n", "bad.rego:3: could not find function"),
            ("package sallyport.bad\n\nx := 1\n\nx := 2\n", "bad.rego:5: rule conflicts"),
            ("package sallyport\n\nx := 5\n", "session.rego:1: the package sallyport stands in bad"),
            ("package sallyport.bad\n\nx := 1 if data.y with input as 1\n", "with is not for"),
            ("package elsewhere\n", "bad.rego:1: the package is sallyport"),
            ('package sallyport.bad\n\nx := time["now_ns"]()\n', "called by its plain name"),
            ("package sallyport.bad\n\nx if {\n\ttrue\twith\tinput as {}\n}\n", "with is not for"),
            ('package sallyport.bad\n\nx := http.send({"url": "http://x"})\n', "http.send is not for"),
            ("package sallyport.bad\n\nx := time.now_ns()\n", "bad.rego:3: time.now_ns is not for"),
            ("", "bad.rego:1: the package"),
        ],
        ids=[
            "cut off", "unsafe", "unknown function", "one that no rule calls", "a conflict",
            "a package twice", "with", "another package", "the time by another spelling",
            "with between tabs", "reaching out", "the time", "empty",
        ],
    )  # fmt: skip
    def test_what_does_not_compile_is_refused_with_its_line(self, author, now, text, said):
        with pytest.raises(Refusal) as refused:
            write_version(author=author, modules=SHIPPED | {"bad.rego": text}, note="bad", now=now)

        assert said in refused.value.detail
        assert not PolicyVersion.objects.exists()

    @pytest.mark.parametrize(
        "modules",
        [
            {},
            {"session_test.rego": "package sallyport_test\n"},
            {"../session.rego": "package sallyport\n"},
            {"session.txt": "package sallyport\n"},
            {"session.rego": "package sallyport\n" + "#" * 70_000},
            {f"a{i}.rego": "package sallyport\n" for i in range(51)},
            {"session.rego": "package sallyport\n"},
            {"session.rego": "package sallyport\n\0"},
        ],
        ids=[
            "nothing", "tests alone", "a path", "another ending", "too long", "too many",
            "no answers", "NUL",
        ],
    )  # fmt: skip
    def test_what_is_no_policy_is_refused(self, author, now, modules):
        with pytest.raises(Refusal):
            write_version(author=author, modules=modules, note="odd", now=now)

    @pytest.mark.parametrize(
        "text",
        [
            f"{HEAD}x := count([1 | some i in long; some j in long])\n\nlong := numbers.range(0, 99999)",
            "package sallyport.slow\n\nx := " + "[" * 20_000,
        ],
        ids=["a loop", "deep nesting"],
    )
    def test_one_that_never_ends_is_refused(self, author, now, monkeypatch, text):
        monkeypatch.setattr("policy.checking.LIMIT_SECONDS", 2)

        with pytest.raises(Refusal, match="take too long"):
            write_version(author=author, modules=SHIPPED | {"slow.rego": text}, note="x", now=now)

    def test_the_same_rules_are_there_once(self, closed, author, now):
        with pytest.raises(Refusal, match=closed.revision):
            write_version(author=author, modules=CLOSED, note="again", now=now)

    @pytest.mark.parametrize("note", ["", "  ", "x" * 501])
    def test_it_says_what_changes(self, author, now, note):
        with pytest.raises(Refusal, match="what changes"):
            write_version(author=author, modules=CLOSED, note=note, now=now)


class TestPublishing:
    def test_it_counts_from_then_on(self, closed, publisher, now):
        publication = publish(version=closed, publisher=publisher)

        decision = engine.decide(ASKED)
        assert (decision.outcome, decision.reasons) == (Outcome.DENY, ("closed_today",))
        assert decision.revision == engine.revision() == closed.revision
        (event,) = events("policy.version.published")
        assert event.facts == {
            "revision": closed.revision, "former_revision": "",
            "author": f"accounts.User:{closed.author_id}", "approval_id": str(publication.approval_id),
        }  # fmt: skip

    def test_who_wrote_it_may_publish_what_another_has_agreed_to(self, closed, author):
        assert publish(version=closed, publisher=author).author == author
        assert reasons() == ("closed_today",)

    def test_without_an_approval_nobody_does(self, closed, author, publisher, now):
        for person in (author, publisher):
            session = session_of(person)
            with pytest.raises(Refusal, match="agree to this version"):
                publish_version(
                    version=closed, publisher=person, approval_id=uuid4(), session_id=session.pk,
                    now=now,
                )  # fmt: skip
        assert reasons() == ()
        assert not Publication.objects.exists()

    def test_where_nobody_says_how_approvals_are_known_nothing_is_published(
        self, closed, publisher, monkeypatch
    ):
        grant, session = agreed(closed, publisher)
        monkeypatch.setattr(approval._Wired, "approvals", None)

        with pytest.raises(Refusal) as refused:
            publish_by(closed, grant, Person(publisher, ""), session)
        assert refused.value.code == "temporarily_unavailable"
        assert reasons() == ()

    def test_the_database_holds_that_as_well(self, closed, author, publisher, now):
        grant, _ = agreed(closed, publisher)
        values: dict[str, Any] = {
            "version": closed, "revision": closed.revision, "published_at": now,
            "author": author, "publisher": publisher,
        }  # fmt: skip

        for approval_id in (None, uuid4(), grant.pk):
            with pytest.raises(IntegrityError, match="has agreed"), transaction.atomic():
                Publication.objects.create(**values, approval_id=approval_id)
        Grant.unscoped.filter(pk=grant.pk).update(state="published", ended_at=now)
        with pytest.raises(IntegrityError, match="has agreed"), transaction.atomic():
            Publication.objects.create(**values | {"publisher": author}, approval_id=grant.pk)
        with pytest.raises(IntegrityError, match="of_author"), transaction.atomic():
            Publication.objects.create(**values | {"author": publisher}, approval_id=grant.pk)
            connection.check_constraints()
        Publication.objects.create(**values, approval_id=grant.pk, ended_at=now)
        with pytest.raises(IntegrityError, match="approval_once"), transaction.atomic():
            Publication.objects.create(**values, approval_id=grant.pk)

    def test_one_whose_tests_fail_is_refused_with_their_lines(self, author, publisher, now):
        failing = CLOSED | {"closed_test.rego": OWN.replace('"closed_today" in', '"else" in')}
        version = write_version(author=author, modules=failing, note="Failing", now=now)

        for act in (
            lambda: publish(version=version, publisher=publisher),
            lambda: publish_version(
                version=version, publisher=publisher, approval_id=uuid4(), session_id=uuid4(),
                now=now,
            ),
        ):  # fmt: skip
            with pytest.raises(Refusal) as refused:
                act()
            assert refused.value.detail == "closed_test.rego:6: test_it_is_closed fails"
        assert reasons() == ()

    def test_what_counts_already_is_not_published_again(self, closed, publisher, now):
        publish(version=closed, publisher=publisher)

        with pytest.raises(Refusal, match="already"):
            publish(version=closed, publisher=publisher)

    def test_another_takes_its_place(self, closed, author, publisher, now):
        publish(version=closed, publisher=publisher)

        publish(version=another(author, now), publisher=publisher)

        assert reasons() == ("closed_tomorrow",)
        assert Publication.objects.filter(ended_at=None).count() == 1

    def test_responses_follow_the_published_rules(self, author, publisher, now):
        rules = SHIPPED["response.rego"] + '\nactions contains {"act": "step_up"}\n'
        modules = {k: v for k, v in SHIPPED.items() if k != "response_test.rego"}
        version = write_version(
            author=author, modules=modules | {"response.rego": rules}, note="more", now=now
        )

        publish(version=version, publisher=publisher)

        assert engine.respond(Signal("eclipse", {})).actions == (Action(Act.STEP_UP),)


class TestRollingBack:
    def test_the_shipped_policy_comes_back(self, closed, publisher, now):
        publish(version=closed, publisher=publisher)

        back(publisher)

        assert reasons() == ()
        assert engine.revision() == engine.shipped().revision
        (event,) = events("policy.version.rolled_back")
        assert (event.facts["revision"], event.facts["former_revision"]) == ("", closed.revision)
        assert event.facts["reason"] == Publication.objects.last().reason == "It locks us out"

    def test_each_step_goes_further_back(self, closed, author, publisher, now):
        """Never to and fro between the last two."""
        publish(version=closed, publisher=publisher)
        publish(version=another(author, now), publisher=publisher)

        back(publisher)
        assert reasons() == ("closed_today",)
        back(publisher)
        assert reasons() == ()
        with pytest.raises(Refusal, match="none before"):
            back(publisher)

    def test_what_is_published_after_it_follows_what_came_back(
        self, closed, author, publisher, now
    ):
        publish(version=closed, publisher=publisher)
        publish(version=another(author, now), publisher=publisher)
        back(publisher)
        publish(version=another(author, now, "closed_later"), publisher=publisher)

        back(publisher)

        assert reasons() == ("closed_today",)

    def test_any_former_publication_may_come_back(self, closed, author, publisher, now):
        first = publish(version=closed, publisher=publisher)
        publish(version=another(author, now), publisher=publisher)
        back(publisher)
        back(publisher)

        back(publisher, to=first)

        assert reasons() == ("closed_today",)
        with pytest.raises(Refusal, match="already"):
            back(publisher, to=first)

    def test_one_is_enough_even_who_wrote_it(self, closed, author, publisher, now):
        publish(version=closed, publisher=publisher)
        publish(version=another(author, now), publisher=publisher)

        assert back(author).version == closed

    def test_it_takes_an_administrator_of_every_organisation(self, closed, publisher, newcomer):
        publish(version=closed, publisher=publisher)

        for flags in ({}, {"is_staff": True}, {"is_superuser": True}):
            type(publisher).unscoped.filter(pk=newcomer.user.pk).update(
                **{"is_staff": False, "is_superuser": False} | flags
            )
            with pytest.raises(Refusal, match="administrators of every organisation"):
                back(newcomer.user)
        assert reasons() == ("closed_today",)

    @pytest.mark.parametrize("reason", ["", " \n ", "x" * 501, "a\0b"])
    def test_it_says_why(self, closed, publisher, reason, now):
        publish(version=closed, publisher=publisher)

        with pytest.raises(Refusal, match="Say why"):
            roll_back(publisher=publisher, reason=reason, now=now)
        assert reasons() == ("closed_today",)

    def test_where_nothing_was_published_there_is_nothing_to_go_back_to(self, publisher, now):
        with pytest.raises(Refusal, match="none before"):
            back(publisher)


class TestWhatIsBelieved:
    @pytest.fixture
    def published(self, closed, publisher, now):
        publish(version=closed, publisher=publisher)
        engine._Engine.loaded = {}
        closed.refresh_from_db()
        return closed

    @pytest.fixture
    def tamper(self, published):
        """Change a column of the version by hand, as whoever owns the database may."""

        def change(statement, *values):
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                for verb in ("DISABLE", "ENABLE"):
                    if verb == "ENABLE":
                        cursor.execute(statement, values)
                    cursor.execute(f"ALTER TABLE policy_policyversion {verb} TRIGGER USER")

        return change

    def test_what_was_signed_is_loaded(self, published):
        assert Published().load(published.revision).revision == published.revision

    def test_other_files_under_its_name_are_not(self, published, tamper):
        tamper("UPDATE policy_policyversion SET modules = %s", json.dumps(SHIPPED))

        assert reasons() == ("policy_unavailable",)
        assert not engine.works()

    def test_other_files_with_their_own_revision_are_not(self, published, tamper):
        modules = CLOSED | {"more.rego": "package sallyport.more\n\nx := 1\n"}
        revision = bundle.of_modules(modules).revision
        tamper("ALTER TABLE policy_publication DISABLE TRIGGER USER")
        tamper("ALTER TABLE policy_publication DROP CONSTRAINT policy_publication_of_version")
        tamper("UPDATE policy_policyversion SET revision = %s", revision)
        tamper("UPDATE policy_policyversion SET modules = %s", json.dumps(modules))
        tamper("UPDATE policy_publication SET revision = %s", revision)

        assert reasons() == ("policy_unavailable",)

    @pytest.mark.parametrize("signature", ["", "x", "a.b.c"])
    def test_without_a_signature_it_is_not(self, published, tamper, signature):
        tamper("UPDATE policy_policyversion SET signature = %s", signature)

        assert reasons() == ("policy_unavailable",)

    def test_a_signature_of_another_installation_is_none(self, published, tamper, now):
        PolicyKey.objects.update(is_active=False)
        stranger = signing.sign(bundle.of_modules(CLOSED), now=now)
        PolicyKey.objects.filter(is_active=True).delete()
        tamper("UPDATE policy_policyversion SET signature = %s", stranger)

        assert reasons() == ("policy_unavailable",)

    def test_a_key_that_was_put_there_by_hand_is_none(self, published):
        """It is sealed under the key-encryption key, which the database does not hold."""
        connection.cursor().execute("UPDATE policy_policykey SET private = %s", [b"\x01" * 120])

        assert reasons() == ("policy_unavailable",)

    def test_a_version_that_was_never_published_is_not(self, published, tamper, author, now):
        draft = another(author, now)
        tamper("ALTER TABLE policy_publication DISABLE TRIGGER USER")
        tamper(
            "UPDATE policy_publication SET revision = %s, version_id = %s", draft.revision, draft.id
        )

        assert reasons() == ("policy_unavailable",)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE policy_policyversion SET modules = '{}'",
            "UPDATE policy_policyversion SET signature = ''",
            "UPDATE policy_policyversion SET note = 'nothing'",
            "DELETE FROM policy_policyversion",
            "UPDATE policy_publication SET publisher_id = author_id",
            "UPDATE policy_publication SET approval_id = gen_random_uuid()",
            "UPDATE policy_publication SET reason = 'another'",
            "DELETE FROM policy_publication",
        ],
    )
    def test_the_product_itself_cannot_change_it(self, published, statement):
        with pytest.raises((DatabaseError, ProgrammingError)), transaction.atomic():
            connection.cursor().execute(statement)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_at_once_one_does(author, publisher, now):
    versions = [another(author, now, f"closed_{word}") for word in ("north", "south", "east")]

    people = [administering(f"{each.note}@acme.example", publisher.organisation)
              for each in versions]  # fmt: skip
    asked = [agreed(version, person.user) for version, person in zip(versions, people, strict=True)]

    race(
        lambda number: publish_by(
            versions[number], asked[number][0], people[number], asked[number][1]
        ),
        runners=3,
        tolerate=Refusal,
    )

    counting = Publication.objects.get()
    assert reasons() == (counting.version.note,)


class TestTheCommand:
    def said(self, capsys, *arguments):
        call_command("policy", *arguments)
        return capsys.readouterr().out

    @pytest.fixture
    def folder(self, tmp_path):
        for name, text in CLOSED.items():
            (tmp_path / name).write_text(text)
        return str(tmp_path)

    def test_a_version_from_a_folder_to_counting_and_back(
        self, capsys, folder, author, publisher, tmp_path
    ):
        assert "tests pass" in self.said(capsys, "check", folder)
        told = self.said(capsys, "write", folder, "--by", author.email, "--note", "Closed today")
        revision = told.split()[-1]
        assert f"* {engine.shipped().revision}  shipped" in self.said(capsys, "list")

        publish(version=PolicyVersion.objects.get(revision=revision), publisher=publisher)
        assert reasons() == ("closed_today",)
        listed = self.said(capsys, "list")
        assert f"* {revision}" in listed
        assert "Closed today" in listed

        assert "the shipped policy counts" in self.said(
            capsys, "rollback", "--by", publisher.email, "--reason", "It locks us out"
        )
        assert reasons() == ()
        self.said(capsys, "export", revision, str(tmp_path / "out"))
        assert (tmp_path / "out" / "session.rego").read_text() == CLOSED["session.rego"]
        assert "BEGIN PUBLIC KEY" in self.said(capsys, "key")

    def test_it_publishes_nothing(self, capsys, folder, author, publisher):
        told = self.said(capsys, "write", folder, "--by", author.email, "--note", "Closed today")

        with pytest.raises(CommandError, match="invalid choice"):
            call_command("policy", "publish", told.split()[-1], "--by", publisher.email)

    def test_a_refusal_is_its_sentence(self, folder, author, newcomer, tmp_path):
        why = ("--reason", "It locks us out")
        with pytest.raises(CommandError, match="administrators of every"):
            call_command("policy", "rollback", "--by", newcomer.email, *why)
        with pytest.raises(CommandError, match="none before"):
            call_command("policy", "rollback", "--by", author.email, *why)
        with pytest.raises(CommandError, match="nobody active"):
            call_command("policy", "rollback", "--by", "nobody@acme.example", *why)
        with pytest.raises(CommandError, match="no version"):
            call_command("policy", "export", "0" * 12, str(tmp_path / "out"))
        (tmp_path / "bad.rego").write_text("package sallyport.bad\n\nx := {\n")
        with pytest.raises(CommandError, match=r"bad\.rego:"):
            call_command("policy", "check", folder)
