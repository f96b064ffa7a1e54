"""A cell counts only if every answer in it was right."""

from dataclasses import replace

from bench.load import Outcome, Work
from bench.report import Round, as_json, cells, of_forward_auth, ratio, render

GOOD = Outcome(
    good=1000, bad=0, starved=0, socket_errors=0, seconds=2.0, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0,
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


def test_forward_auth_is_told_beside_its_target_by_the_95th_of_a_hundred() -> None:
    rounds = [replace(each, work=Work.FORWARD_AUTH) for each in _rounds("us", 1.0)]
    slow = [replace(each, outcome=replace(GOOD, p95_ms=11.0, seconds=9.0)) for each in rounds]

    assert of_forward_auth(rounds) == (
        "forward-auth, us: p95 2.0 ms, within 10 ms; 500 a second, at least 500"
    )
    assert of_forward_auth(slow) == (
        "forward-auth, us: p95 11.0 ms, ABOVE 10 ms; 111 a second, BELOW 500"
    )
    void = [replace(each, outcome=replace(GOOD, bad=1)) for each in rounds]
    assert of_forward_auth(_rounds("us", 1.0) + void) == ""


def test_every_line_has_as_many_columns_as_the_head() -> None:
    void = _rounds("them", 1.0, outcome=replace(GOOD, bad=1))
    table = render(_rounds("us", 1.0) + void, baseline="them", peers=["us", "them"])

    assert len({line.count("|") for line in table.splitlines()}) == 1
    head, _, line, _ = ([cell.strip() for cell in each.split("|")] for each in table.splitlines())
    assert line[head.index("p95 ms")] == "2.0"
