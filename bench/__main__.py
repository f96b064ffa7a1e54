"""The command: prepare the peers, run the rounds, print the table, leave the result file."""

import argparse
import json
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import approvals, authzen, binding, load, report
from bench.cluster import Cluster, own_cluster
from bench.load import Work
from bench.measure import hardware, memory_megabytes
from bench.report import Round
from bench.run import Run
from bench.sallyport import Sallyport, variants
from bench.servers import REPOSITORY, SHAPE, Peer, Unavailable
from bench.toolkit import Toolkit
from config.embedded import Services


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = REPOSITORY / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        cluster, services = stack.enter_context(own_cluster(folder))
        settings = cluster.settings()
        say_where(settings)
        peers = start_peers(cluster, services, folder, stack)
        idle = memory(peers)
        run = Run(
            peers=peers,
            works=arguments.works,
            cluster=cluster,
            folder=folder,
            connections=arguments.connections,
        )
        run.warm_up()
        rounds = []
        for number in range(1, arguments.rounds + 1):
            for done in run.rounds(number=number, seconds=arguments.seconds):
                say_round(done)
                rounds.append(done)
        result: dict[str, Any] = {
            "settings": {
                name: getattr(arguments, name) for name in ("seconds", "rounds", "connections")
            },
            "server": SHAPE,
            "load": load.generator(),
            "hardware": hardware(),
            "postgresql": settings,
            "peers": {peer.name: {"notes": peer.notes, **peer.versions()} for peer in peers},
            "web_memory_mb": {"idle": idle, "after_load": memory(peers)},
        }
        refreshes = refresh_sessions(peers)
        result["dbsc_refresh"] = refreshes.as_json()
        questions = ask_policy(peers)
        result["authzen"] = questions.as_json()
        decided = approve_at_once(peers)
        result["approvals"] = decided.as_json()
        result["risk"] = judged = judgements(peers)
    names = [peer.name for peer in peers]
    print("\n" + report.render(rounds, baseline=Toolkit.name, peers=names) + "\n")
    print(report.of_forward_auth(rounds))
    print(f"{refreshes}")
    print(f"{questions}")
    print(f"{decided}")
    print(report.judged(judged) + "\n")
    say_peers(result)
    path = folder / f"result-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    result |= report.as_json(rounds, baseline=Toolkit.name, peers=names)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"every round: {path.relative_to(REPOSITORY)}")
    return 1 if result["void"] else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="CPU per request.")
    parser.add_argument(
        "--seconds",
        type=int,
        default=2,
        help="length of one timed round; longer where a provider is slow",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--works", nargs="+", type=Work, choices=list(Work), default=list(Work))
    return parser.parse_args()


def start_peers(cluster: Cluster, services: Services, folder: Path, stack: ExitStack) -> list[Peer]:
    """All that can run here, up and idle while another is under load."""
    peers: list[Peer] = []
    candidates: tuple[Peer, ...] = (*variants(folder), Toolkit(folder))
    for peer in candidates:
        try:
            peer.prepare(cluster, services)
        except Unavailable as reason:
            print(f"{peer.name} is left out: {reason}", flush=True)
            continue
        stack.callback(peer.stop)
        peer.start()
        peers.append(peer)
    return peers


def memory(peers: list[Peer]) -> dict[str, float]:
    return {peer.name: round(memory_megabytes(peer.server.process.pid), 1) for peer in peers}


def refresh_sessions(peers: list[Peer]) -> binding.Refreshes:
    """What no peer has: a session bound to a key of its browser, refreshed."""
    ours = next(peer for peer in peers if isinstance(peer, Sallyport))
    return binding.measure(ours.server, ours.instance.seeded["bound"])


def ask_policy(peers: list[Peer]) -> authzen.Questions:
    """What no peer has: questions of a gateway to our policy."""
    ours = next(peer for peer in peers if isinstance(peer, Sallyport))
    return authzen.measure(ours.server, ours.instance.seeded["authzen"])


def approve_at_once(peers: list[Peer]) -> approvals.Approvals:
    """What no peer has: requests that many approve at the same moment."""
    ours = next(peer for peer in peers if isinstance(peer, Sallyport))
    seeded = json.loads(ours.instance.run_module("bench.approvals_seed"))
    return approvals.measure(ours.server, seeded)


def judgements(peers: list[Peer]) -> dict[str, Any]:
    """A sign-in scored with a million behind it, and a decision of policy, in a process of ours."""
    ours = next(peer for peer in peers if isinstance(peer, Sallyport))
    told: dict[str, Any] = json.loads(ours.instance.run_module("bench.risk.speed"))
    return told


def say_where(settings: dict[str, str]) -> None:
    """Print what the figures stand on, before anybody waits for them."""
    machine = hardware()
    print(f"machine: {machine['cores']} cores, {machine['processor']}, {machine['memory_gib']} GiB")
    print("PostgreSQL: " + ", ".join(f"{name}={value}" for name, value in settings.items()))
    print(f"servers: {SHAPE}")
    print(f"load: {load.generator()}", flush=True)
    if shutil.which("wrk") is None:
        print("wrk is not here, so a slower generator asks (CPU per request stays right).")
        print(f"to install it: {load.INSTALL_WRK}", flush=True)


def say_round(done: Round) -> None:
    trouble = f"  VOID: {done.outcome.trouble}" if done.outcome.trouble else ""
    print(
        f"round {done.number}  {done.work:<19}{done.peer:<29}"
        f"{done.cpu_ms:7.2f} CPU ms  {done.rate:8,.0f}/s{trouble}",
        flush=True,
    )


def say_peers(result: dict[str, Any]) -> None:
    """How each peer was set up; a figure without it means nothing."""
    for name, facts in result["peers"].items():
        versions = ", ".join(f"{key} {value}" for key, value in facts.items() if key != "notes")
        web = {when: sizes[name] for when, sizes in result["web_memory_mb"].items()}
        print(f"{name}: {facts['notes']}")
        print(f"  {versions}")
        print(f"  web processes {web['idle']} MB idle, {web['after_load']} MB after load (PSS)")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
