"""What policy answered is kept: all of it, soon, without names, and at next to no cost."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import OperationalError

from core import clock
from policy import decision_log, engine, tasks
from policy.decision_log import DecisionLog, find, logged, mask, veil
from policy.evaluator import UNDEFINED
from policy.journal import About
from policy.models import DecisionBatch
from policy.response import Signal
from tests.policy.test_decisions import GOOD, facts

pytestmark = pytest.mark.django_db
WHO = About(uuid4(), uuid4(), "acme-web")
DAY = timedelta(days=1)


@pytest.fixture
def log(monkeypatch):
    """A log of this test: written when the test says so, in its own transaction."""
    found = DecisionLog()
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", found)
    return found


def everything(**narrowed):
    now = clock.now()
    return list(logged(since=now - DAY, until=now + DAY, **narrowed))


def test_a_decision_is_found_by_its_id_with_all_that_led_to_it(log):
    decision = engine.decide(GOOD, active="", about=WHO)
    assert find(decision.decision_id) is None

    assert log.flush() == 1

    one = find(decision.decision_id)
    assert (one.path, one.revision, one.about) == ("sallyport/decision", decision.revision, WHO)
    assert one.input == json.loads(json.dumps(GOOD.document()))
    assert (one.result["outcome"], one.error, one.masked) == ("allow", "", ())
    assert 0 < one.nanoseconds < 10**9
    assert abs(one.at - clock.now()) < timedelta(minutes=1)


def test_every_kind_of_question_is_kept(log):
    engine.decide(GOOD, about=WHO)
    engine.respond(Signal("token_replay", {}))
    engine.evaluate("sallyport/nowhere", {"x": 1})

    log.flush()

    told = {one.path: one.result for one in everything()}
    assert told["sallyport/response/actions"] == [{"act": "notify"}]
    assert told["sallyport/nowhere"] is UNDEFINED
    assert len(told) == 3


def test_so_is_a_question_without_an_answer(log, monkeypatch):
    monkeypatch.setattr(engine._Engine.evaluator, "evaluate", fail)

    decision = engine.decide(GOOD, about=WHO)
    log.flush()

    one = find(decision.decision_id)
    assert (decision.reasons, one.result, one.error) == (
        ("policy_unavailable",), UNDEFINED, "the engine is gone",
    )  # fmt: skip


def fail(*_):
    from policy.evaluator import PolicyUnavailable

    raise PolicyUnavailable("the engine is gone")


def test_readiness_leaves_nothing(log):
    assert engine.works()

    assert log.flush() == 0


def test_they_are_looked_for_by_whom_and_what_they_are_about(log):
    other = About(uuid4(), None, "acme-spa")
    mine, theirs = engine.decide(GOOD, about=WHO), engine.decide(GOOD, about=other)
    engine.respond(Signal("eclipse", {}), about=other)
    log.flush()

    assert [one.decision_id for one in everything(user_id=WHO.user_id)] == [mine.decision_id]
    found = [one.decision_id for one in everything(client="acme-spa", path=engine.DECISION)]
    assert found == [theirs.decision_id]
    assert everything(user_id=uuid4()) == []
    assert everything()[0].path == "sallyport/response/actions"


def test_a_row_is_what_came_together(log, later):
    for _ in range(10):
        engine.decide(GOOD, about=WHO)
    log.flush()
    engine.decide(GOOD, about=WHO)
    log.flush()

    assert [batch.count for batch in DecisionBatch.objects.order_by("last_at")] == [10, 1]
    assert DecisionBatch.objects.first().users == [WHO.user_id]


def test_much_is_written_in_several_rows(log, monkeypatch):
    monkeypatch.setattr(decision_log, "MAX_BATCH", 4)
    for _ in range(10):
        engine.decide(GOOD)

    assert log.flush() == 10
    assert sorted(batch.count for batch in DecisionBatch.objects.all()) == [2, 4, 4]
    assert len(everything()) == 10


class TestWhatHasNoRoom:
    def test_it_is_counted_and_said(self, log, monkeypatch):
        monkeypatch.setattr(decision_log, "MAX_WAITING", 3)
        for _ in range(5):
            assert engine.decide(GOOD).is_allowed

        log.flush()

        batch = DecisionBatch.objects.get()
        assert (batch.count, batch.dropped) == (3, 2)
        engine.decide(GOOD)
        log.flush()
        assert DecisionBatch.objects.order_by("-id").first().dropped == 0

    def test_what_cannot_be_written_waits(self, log, monkeypatch):
        first, second = engine.decide(GOOD), engine.decide(GOOD)
        with monkeypatch.context() as away:
            away.setattr(DecisionBatch.objects, "create", away_)
            assert log.flush() == 0

        assert log.flush() == 2
        ids = [one.decision_id for one in everything()]
        assert ids == [second.decision_id, first.decision_id]


def away_(**_):
    raise OperationalError("the database is away")


class TestMasks:
    def test_what_may_name_a_person_is_not_written(self, log):
        asked = {
            "subject": {
                "type": "user",
                "id": "alice@acme.example",
                "properties": {"name": "Alice"},
            },
            "context": {"ip": "203.0.113.7", "time": "noon"},
            "evaluations": [{"reason": "My knee hurts"}, {"a/b": "bob@acme.example"}],
            "known": {"alice@acme.example": {"is_active": True}},
        }

        engine.evaluate("sallyport/nowhere", asked)
        log.flush()

        (one,) = everything()
        alice = veil("alice@acme.example")
        assert one.input == {
            "subject": {"type": "user", "id": alice, "properties": {"name": veil("Alice")}},
            "context": {"ip": veil("203.0.113.7"), "time": "noon"},
            "evaluations": [{"reason": veil("My knee hurts")}, {"a/b": veil("bob@acme.example")}],
            "known": {alice: {"is_active": True}},
        }
        assert one.masked == (
            "/input/subject/id", "/input/subject/properties/name", "/input/context/ip",
            "/input/evaluations/0/reason", "/input/evaluations/1/a~1b", f"/input/known/{alice}",
        )  # fmt: skip
        body = decision_log.zlib.decompress(bytes(DecisionBatch.objects.get().body))
        assert not any(word in body for word in (b"alice", b"Alice", b"203.0", b"knee", b"bob"))

    def test_an_address_among_the_names_of_roles_is_masked_too(self, log):
        engine.decide(facts(role_tiers={"a": 1}, session={"methods": ("x@y",)}))

        log.flush()

        assert everything()[0].input["session"]["methods"] == [veil("x@y")]

    def test_what_stands_for_a_text_tells_nothing_without_the_key(self, settings):
        before = veil("alice@acme.example")
        settings.SECRET_KEY = "another" * 10

        assert veil("alice@acme.example") != before
        assert re.fullmatch(r"\*\*[0-9a-f]{12}", before)

    def test_nothing_to_mask_is_left_as_it_is(self):
        assert mask(b'{"name":"","a":[1,null,{"name":2}]}') == (
            b'{"name":"","a":[1,null,{"name":2}]}', [],
        )  # fmt: skip


class TestRetention:
    def test_what_is_older_than_it_is_kept_goes(self, log, later, settings):
        settings.DECISION_LOG_LIFETIME = timedelta(days=14)
        engine.decide(GOOD)
        log.flush()
        later(days=13, hours=23)
        assert tasks.purge_decisions() == 0

        later(hours=2)

        assert tasks.purge_decisions() == 1
        assert not DecisionBatch.objects.exists()


class TestExport:
    def test_it_has_the_form_of_opas_log(self, log, tmp_path):
        decision = engine.decide(GOOD, about=WHO)
        log.flush()
        path = tmp_path / "decisions.json.gz"

        call_command("export_decisions", "--output", str(path))

        (told,) = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
        assert told["decision_id"] == str(decision.decision_id)
        assert told["bundles"] == {"sallyport": {"revision": decision.revision}}
        assert told["path"] == "sallyport/decision"
        assert told["input"]["trigger"] == "refresh"
        assert told["result"]["outcome"] == "allow"
        assert told["requested_by"] == "acme-web"
        assert datetime.fromisoformat(told["timestamp"]).tzinfo == UTC
        assert told["metrics"]["timer_server_handler_ns"] > 0

    def test_only_what_was_asked_for(self, log, capfdbinary):
        engine.decide(GOOD)
        log.flush()
        since = (clock.now() + timedelta(hours=1)).isoformat()

        call_command("export_decisions", "--since", since)

        assert capfdbinary.readouterr().out == b""


def test_it_costs_a_decision_less_than_ten_microseconds(log):
    """Of processor time, beside what the decision itself costs."""
    asked = engine._ask(engine.DECISION, GOOD.document(), "")

    def spent():
        log._waiting.clear()
        began = time.process_time()
        for _ in range(2000):
            engine._note(uuid4_, asked, WHO)
        return (time.process_time() - began) / 2000

    uuid4_ = uuid4()
    assert min(spent() for _ in range(5)) < 0.000_010


SCRIPT = """
import os, sys, django
django.setup()
from django.db import connection
from policy import engine
from policy.decision_log import DecisionLog
from tests.policy.test_decisions import GOOD

engine._Engine.journal = DecisionLog()
for _ in range(3):
    engine.decide(GOOD, active="")
connection.close()
if os.fork() == 0:
    for _ in range(2):
        engine.decide(GOOD, active="")
    sys.exit()
os.wait()
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_writes_what_is_left_and_a_child_its_own_alone():
    from django.db import connection

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SALLYPORT_DATABASE_URL": url_of(connection.settings_dict),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    counts = {}
    for batch in DecisionBatch.objects.all():
        counts[batch.source] = counts.get(batch.source, 0) + batch.count
    assert sorted(counts.values()) == [2, 3]


def url_of(settings):
    from urllib.parse import urlencode

    query = urlencode({"host": settings["HOST"], "port": settings["PORT"] or 5432})
    return f"postgresql://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}?{query}"
