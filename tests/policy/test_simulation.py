"""What other rules would have answered, over what was asked."""

import threading
import time
from datetime import timedelta
from itertools import islice
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command

from core import clock
from core.errors import Refusal
from policy import engine, simulation
from policy.decision_log import DecisionLog, logged
from policy.flows import write_version
from policy.journal import About
from policy.response import Signal
from policy.simulation import simulate, simulate_rules
from policy.trial import Trial
from tests.policy.test_decisions import GOOD, facts
from tests.support.publishing import publish

pytestmark = pytest.mark.django_db
SHIPPED = {path.name: path.read_text() for path in settings.POLICY_DIR.glob("*.rego")}
STRICTER = SHIPPED | {
    "session.rego": SHIPPED["session.rego"] + 'reasons contains "weak" if input.session.level < 3\n'
}
# Bob's strong session, which is the third of the newest answers, takes minutes.
SLOW = {name: text for name, text in SHIPPED.items() if "_test" not in name} | {
    "session.rego": SHIPPED["session.rego"]
    + """reasons contains "slow" if {
	input.session.level == 3
	some i in numbers.range(1, 9000)
	some j in numbers.range(1, 9000)
	i * j == -1
}
"""
}
ALICE, BOB = uuid4(), uuid4()
WEEK = timedelta(days=7)


@pytest.fixture
def log(monkeypatch):
    found = DecisionLog()
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", found)
    return found


@pytest.fixture
def asked(log):
    """Alice by two applications, Bob strongly, one who is refused anyway, and a signal."""
    engine.decide(GOOD, about=About(ALICE, None, "web"))
    engine.decide(GOOD, about=About(ALICE, None, "web"))
    engine.decide(GOOD, about=About(ALICE, None, "spa"))
    engine.decide(facts(session={"level": 3}), about=About(BOB, None, "web"))
    engine.decide(facts(user={"email_verified": False}), about=About(BOB, None, "web"))
    engine.respond(Signal("token_replay", {}))
    log.flush()


def run(rules, **how):
    now = clock.now()
    return simulate_rules(rules, since=now - WEEK, until=now + WEEK, **how)


@pytest.mark.usefixtures("asked")
class TestSimulate:
    def test_it_tells_what_would_change_for_whom_and_where(self):
        report = run(STRICTER)

        assert (report.looked_at, report.changed, report.told_otherwise) == (6, 3, 1)
        assert report.by_user == {ALICE: 3}
        assert report.by_client == {"web": 2, "spa": 1}
        assert report.by_change == {("allow", "deny"): 3}
        assert report.by_path == {"sallyport/decision": 3}
        assert {change.reasons_after for change in report.samples} == {("weak",)}
        assert report.samples[0].one.about.client == "spa"
        assert (report.base, report.is_cut_off) == (engine.shipped().revision, False)

    def test_the_rules_that_count_change_nothing(self):
        report = run(SHIPPED)

        assert (report.looked_at, report.changed, report.told_otherwise) == (6, 0, 0)

    def test_rules_of_response_are_told_by_their_actions(self):
        gentle = SHIPPED | {
            "response.rego": SHIPPED["response.rego"].replace('"notify"', '"step_up"')
        }

        assert run(gentle).by_change == {("notify", "step_up"): 1}

    def test_rules_that_answer_nothing_would_deny(self):
        silent = SHIPPED | {
            "session.rego": SHIPPED["session.rego"].replace(
                "\tresource := input.resource\n", "\tresource := input.nowhere\n"
            )
        }

        assert run(silent).by_change == {("allow", "deny"): 4}

    def test_it_compares_with_what_counts_now(self, approver, employee, now):
        version = write_version(author=approver.user, modules=STRICTER, note="x", now=now)
        assert simulate(version, since=now - WEEK, until=now + WEEK).changed == 3
        monday = SHIPPED | {"session_test.rego": "package sallyport_test\n"}
        monday["session.rego"] = STRICTER["session.rego"] + 'reasons contains "monday"\n'
        version = write_version(author=approver.user, modules=monday, note="y", now=now)
        publish(version=version, publisher=employee.user)

        assert run(SHIPPED).by_change == {("deny", "allow"): 4}

    def test_a_limit_says_that_there_is_more(self):
        report = run(STRICTER, limit=2)

        assert (report.looked_at, report.is_cut_off) == (2, True)

    def test_rules_that_take_too_long_are_cut_short(self, monkeypatch):
        monkeypatch.setattr(simulation, "LIMIT_SECONDS", 8.0)
        began = time.monotonic()
        ticks = []
        stop = threading.Event()
        watch = threading.Thread(target=lambda: count_until(stop, ticks))
        watch.start()

        report = run(SLOW)

        stop.set()
        watch.join()
        assert (report.stopped, report.is_cut_off) == ("slow", True)
        assert (report.looked_at, report.changed) == (2, 0)
        assert time.monotonic() - began < 16
        assert len(ticks) > 20, "no other thread was held"
        last = list(logged(since=clock.now() - WEEK, until=clock.now() + WEEK))[1]
        assert report.reached == last.at

    def test_the_compiling_counts_as_well(self):
        report = run(STRICTER, seconds=0)

        assert (report.stopped, report.looked_at, report.reached) == ("slow", 0, None)

    def test_rules_that_end_their_process_end_no_other(self):
        asked = logged(since=clock.now() - WEEK, until=clock.now() + WEEK)

        with Trial(engine.shipped(), engine.shipped(), seconds=60) as trial:
            first = simulation.compare(trial, islice(asked, 2))
            trial._process.kill()
            report = simulation.compare(trial, asked)

        assert (first.stopped, first.looked_at) == ("", 2)
        assert (report.stopped, report.looked_at) == ("broken", 0)

    def test_of_each_kind_a_few_are_shown(self, log, monkeypatch):
        monkeypatch.setattr(simulation, "SAMPLES_OF_A_KIND", 2)

        assert len(run(STRICTER).samples) == 2

    def test_rules_that_do_not_compile_are_refused(self):
        with pytest.raises(Refusal, match=r"bad\.rego:4"):
            run(SHIPPED | {"bad.rego": "package sallyport.bad\n\nx := {\n"})

    def test_the_command_says_it(self, capsys, tmp_path, approver):
        for name, text in STRICTER.items():
            (tmp_path / name).write_text(text)

        call_command("policy", "simulate", str(tmp_path))

        told = capsys.readouterr().out
        assert "6 answers" in told
        assert "3 would change, 1 give other reasons" in told
        assert "3  allow → deny" in told
        assert f"3  {ALICE}" in told
        assert "2  web" in told

    def test_the_command_says_that_it_was_cut_short(self, capsys, tmp_path):
        for name, text in SLOW.items():
            (tmp_path / name).write_text(text)

        call_command("policy", "simulate", str(tmp_path), "--seconds", "8")

        told = capsys.readouterr().out
        assert "2 answers; cut short, since it took too long: raise --seconds, back to 20" in told


def count_until(stop, ticks):
    while not stop.wait(0.05):
        ticks.append(None)
