"""The rounds: each work in turn, each peer in turn, so that the machine's drift hits all alike."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import load
from bench.cluster import Cluster
from bench.load import Job, Outcome, Work
from bench.measure import cpu_seconds
from bench.report import Round
from bench.servers import Peer

WARM_UP_SECONDS = 1
WARM_UP_CODES = 6000
# Fresh codes: so many times what the last load of the same cell used in a second.
HEADROOM = 4
# A slow cell is loaded for longer: with few requests, ticks of 10 ms and the handful that is under
# way when the time is over (their CPU is counted, they are not) would decide the figure.
ENOUGH_REQUESTS = 400
LONGEST_SECONDS = 15
FAMILIES_PER_CONNECTION = 4
INTROSPECTED = 200


@dataclass(kw_only=True)
class Run:
    peers: list[Peer]
    works: list[Work]
    cluster: Cluster
    folder: Path
    connections: int
    speed: dict[tuple[str, Work], float] = field(default_factory=dict)

    def warm_up(self) -> None:
        """One short pass over every cell: lazy imports, prepared statements, caches."""
        for work, peer in self._cells():
            self._load(peer, work, seconds=WARM_UP_SECONDS)

    def rounds(self, *, number: int, seconds: int) -> Iterator[Round]:
        """Every cell once, in the order in which it is measured."""
        for work, peer in self._cells():
            # While others were measured, threads and connections of this peer went to sleep.
            self._load(peer, work, seconds=WARM_UP_SECONDS)
            needed = math.ceil(ENOUGH_REQUESTS / max(self.speed[peer.name, work], 1))
            yield self._one(
                peer, work, number=number, seconds=max(seconds, min(needed, LONGEST_SECONDS))
            )

    def _cells(self) -> Iterator[tuple[Work, Peer]]:
        for work in self.works:
            yield from ((work, peer) for peer in self.peers if work in peer.paths())

    def _one(self, peer: Peer, work: Work, *, number: int, seconds: int) -> Round:
        outcome, server, store = self._load(peer, work, seconds=seconds)
        requests = max(outcome.good, 1)
        return Round(
            peer=peer.name,
            work=work,
            number=number,
            outcome=outcome,
            server_cpu_ms=1000 * server / requests,
            store_cpu_ms=1000 * store / requests,
        )

    def _load(self, peer: Peer, work: Work, *, seconds: int) -> tuple[Outcome, float, float]:
        """Seed, settle, load; what came back, and the CPU seconds of server and PostgreSQL."""
        speed = self.speed.get((peer.name, work))
        codes = WARM_UP_CODES if speed is None else int(speed * seconds * HEADROOM) + 200
        tokens = self._fresh_tokens(peer, work, codes=codes)
        self.cluster.settle()
        client_id, client_secret, scope = peer.client(work)
        extras = peer.extras(work, count=codes, folder=self.folder)
        job = Job(
            work=work,
            base_url=peer.server.base_url,
            path=peer.paths()[work],
            client_id=client_id,
            client_secret=client_secret,
            scope=scope,
            tokens=tokens,
            connections=self.connections,
            seconds=seconds,
            **extras,
        )
        server, store = peer.server.process.pid, self.cluster.postmaster
        before = cpu_seconds(server), cpu_seconds(store)
        outcome = load.run(job, folder=self.folder)
        after = cpu_seconds(server), cpu_seconds(store)
        self.speed[peer.name, work] = outcome.good / outcome.seconds
        return outcome, after[0] - before[0], after[1] - before[1]

    def _fresh_tokens(self, peer: Peer, work: Work, *, codes: int) -> Path | None:
        """Tokens no older than this cell, since a 15-minute token in a long run gets refusals."""
        count = {
            Work.REFRESH: FAMILIES_PER_CONNECTION * self.connections,
            Work.DPOP_REFRESH: FAMILIES_PER_CONNECTION * self.connections,
            Work.CODE: codes,
            Work.PRIVATE_KEY_JWT: codes,
            Work.INTROSPECTION: INTROSPECTED,
        }.get(work)
        if count is None:
            return None
        tokens = self.folder / "tokens"
        tokens.unlink(missing_ok=True)
        tokens.touch(mode=0o600)
        peer.seed(work, count=count, into=tokens)
        return tokens
