"""A cell counts only if every answer in it was right."""

from dataclasses import replace

from bench.load import Outcome, Work
from bench.report import Round, as_json, cells, ratio, render

GOOD = Outcome(
    good=1000, bad=0, starved=0, socket_errors=0, seconds=2.0, p50_ms=1.0, p99_ms=3.0,
    first_error="",
)  # fmt: skip


def _rounds(peer: str, *cpu: float, outcome: Outcome = GOOD) -> list[Round]:
    return [
        Round(
            peer=peer, work=Work.REFRESH, number=number, outcome=outcome,
            server_cpu_ms=each / 2, store_cpu_ms=each / 2,
        )
        for number, each in enumerate(cpu, start=1)
    ]  # fmt: skip


def test_the_median_round_is_the_figure() -> None:
    rounds = _rounds("us", 1.0, 9.0, 2.0) + _rounds("them", 20.0, 21.0, 90.0)

    assert ratio(cells(rounds), work=Work.REFRESH, peer="us", baseline="them") == 10.5


def test_one_wrong_answer_voids_the_cell() -> None:
    wrong = replace(GOOD, bad=1, first_error="401 no")
    rounds = _rounds("us", 1.0, 1.0) + _rounds("us", 1.0, outcome=wrong) + _rounds("them", 20.0)

    assert ratio(cells(rounds), work=Work.REFRESH, peer="us", baseline="them") is None
    assert "void: 1 wrong answers: 401 no" in render(rounds, baseline="them", peers=["us", "them"])
    assert as_json(rounds, baseline="them", peers=["us", "them"])["void"] == {
        "refresh/us": "1 wrong answers: 401 no"
    }


def test_a_request_without_a_fresh_token_voids_the_cell() -> None:
    rounds = _rounds("us", 1.0, outcome=replace(GOOD, starved=3)) + _rounds("them", 20.0)

    assert ratio(cells(rounds), work=Work.REFRESH, peer="us", baseline="them") is None


def test_a_peer_that_could_not_run_has_no_ratio() -> None:
    rounds = _rounds("us", 1.0)

    assert ratio(cells(rounds), work=Work.REFRESH, peer="us", baseline="them") is None
    assert "us" in render(rounds, baseline="them", peers=["us"])
