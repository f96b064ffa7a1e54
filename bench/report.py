"""The table on the terminal and the result file, both made of the same cells."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.load import Outcome, Work

TITLES = {
    Work.CLIENT_CREDENTIALS: "client credentials",
    Work.REFRESH: "refresh, rotating",
    Work.CODE: "code exchange, PKCE",
    Work.INTROSPECTION: "introspection",
    Work.JWKS: "JWKS",
    Work.AUTHORIZE: "authorize + code exchange",
    Work.PAR: "pushed request",
    Work.DPOP_REFRESH: "refresh, DPoP",
    Work.PRIVATE_KEY_JWT: "client credentials, private_key_jwt",
    Work.FORWARD_AUTH: "forward-auth, a request judged",
}


SCORE_TARGET_MS, DECISIONS_TARGET = 5, 10_000
FORWARD_AUTH_TARGET_MS, FORWARD_AUTH_RATE = 10, 500
HEAD = (
    "| work | provider | CPU ms/request (min-max) | server + PostgreSQL"
    " | requests/s (min-max) | per core | p50 ms | p95 ms | p99 ms | ratio |"
)


@dataclass(frozen=True, kw_only=True)
class Round:
    peer: str
    work: Work
    number: int
    outcome: Outcome
    server_cpu_ms: float
    store_cpu_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.server_cpu_ms + self.store_cpu_ms

    @property
    def rate(self) -> float:
        return self.outcome.good / self.outcome.seconds


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All rounds of one work on one peer. Void as soon as one round had trouble."""

    rounds: tuple[Round, ...]

    @property
    def trouble(self) -> str:
        return next((r.outcome.trouble for r in self.rounds if r.outcome.trouble), "")

    @property
    def cpu_ms(self) -> float:
        return median(r.cpu_ms for r in self.rounds)


def cells(rounds: list[Round]) -> dict[tuple[Work, str], Cell]:
    keys = dict.fromkeys((r.work, r.peer) for r in rounds)
    return {
        (work, peer): Cell(rounds=tuple(r for r in rounds if (r.work, r.peer) == (work, peer)))
        for work, peer in keys
    }


def ratio(
    table: dict[tuple[Work, str], Cell], *, work: Work, peer: str, baseline: str
) -> float | None:
    """How many of a peer's requests fit into the CPU of one of the baseline's; None if void."""
    cell, base = table.get((work, peer)), table.get((work, baseline))
    if cell is None or base is None or cell.trouble or base.trouble or not cell.cpu_ms:
        return None
    return base.cpu_ms / cell.cpu_ms


def of_forward_auth(rounds: list[Round]) -> str:
    """How each peer's forward-auth stands beside its target, in a line each; "" without any."""
    lines = []
    for (work, peer), cell in cells(rounds).items():
        if work is not Work.FORWARD_AUTH or cell.trouble:
            continue
        p95 = median(each.outcome.p95_ms for each in cell.rounds)
        rate = median(each.rate for each in cell.rounds)
        in_time = "within" if p95 <= FORWARD_AUTH_TARGET_MS else "ABOVE"
        enough = "at least" if rate >= FORWARD_AUTH_RATE else "BELOW"
        lines.append(
            f"forward-auth, {peer}: p95 {p95:.1f} ms, {in_time} {FORWARD_AUTH_TARGET_MS} ms; "
            f"{rate:,.0f} a second, {enough} {FORWARD_AUTH_RATE}"
        )
    return "\n".join(lines)


def judged(told: dict[str, Any]) -> str:
    """What `bench.risk.speed` measured, in two lines."""
    score, whole = told["score_ms"], told["assessed_ms"]
    within = "within" if score["p95"] <= SCORE_TARGET_MS else "ABOVE"
    decisions = 1000 / told["decision_cpu_ms"]
    decided = "at least" if decisions >= DECISIONS_TARGET else "BELOW"
    return (
        f"score of a sign-in, {told['sign_ins']:,} of history: p50 {score['p50']:.1f} ms, "
        f"p95 {score['p95']:.1f} ms; {within} {SCORE_TARGET_MS:g} ms "
        f"(written down and learnt as well: p95 {whole['p95']:.1f} ms)\n"
        f"embedded decision of policy: {decisions:,.0f} a second per core; "
        f"{decided} {DECISIONS_TARGET:,}"
    )


def render(rounds: list[Round], *, baseline: str, peers: list[str]) -> str:
    """The table in Markdown, one line for each work and peer."""
    table = cells(rounds)
    lines = [
        HEAD,
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for work in Work:
        for peer in peers:
            cell = table.get((work, peer))
            if cell is not None:
                beside = ratio(table, work=work, peer=peer, baseline=baseline)
                lines.append(f"| {TITLES[work]} | {peer} | {figures(cell, beside=beside)} |")
    return aligned(lines)


def figures(cell: Cell, *, beside: float | None) -> str:
    """The columns after work and provider."""
    if cell.trouble:
        return f"void: {cell.trouble}" + " |" * 7
    of = cell.rounds
    server, store = median(r.server_cpu_ms for r in of), median(r.store_cpu_ms for r in of)
    words = (
        spread([r.cpu_ms for r in of], digits=2),
        f"{server:.2f} + {store:.2f}",
        spread([r.rate for r in of], digits=0),
        f"{1000 / cell.cpu_ms:,.0f}",
        f"{median(r.outcome.p50_ms for r in of):.1f}",
        f"{median(r.outcome.p95_ms for r in of):.1f}",
        f"{median(r.outcome.p99_ms for r in of):.1f}",
        f"{beside:.1f}x" if beside else "",
    )
    return " | ".join(words)


def aligned(lines: list[str]) -> str:
    """The same Markdown with its columns under each other, for people who read it in a terminal."""
    rows = [[word.strip() for word in line.strip("|").split("|")] for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "| "
        + " | ".join(
            "-" * width if set(word) == {"-"} else word.ljust(width)
            for word, width in zip(row, widths, strict=True)
        )
        + " |"
        for row in rows
    )


def spread(values: list[float], *, digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def as_json(rounds: list[Round], *, baseline: str, peers: list[str]) -> dict[str, object]:
    """Every round as it was, and the ratios per CPU."""
    table = cells(rounds)
    return {
        "rounds": [asdict(r) | {"cpu_ms": r.cpu_ms, "requests_per_second": r.rate} for r in rounds],
        "void": {f"{w}/{p}": c.trouble for (w, p), c in table.items() if c.trouble},
        "ratios_per_cpu": {
            peer: {
                work: round(value, 2)
                for work in Work
                if (value := ratio(table, work=work, peer=peer, baseline=baseline)) is not None
            }
            for peer in peers
            if peer != baseline
        },
    }
