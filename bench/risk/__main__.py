"""`make risk-report`: measure, write the calibration, the page's numbers and the plot.

With `--csv FILE` people are read from the real data set instead; then only numbers are printed,
since attackers there are marked in the file and nothing is known of cookies.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.risk import calibrate, measure, plot
from bench.risk.attackers import ATTACKERS
from bench.risk.logins import Login, World, but, read
from bench.risk.measure import BROWSER, LAYERS, LIKELIHOOD, Cell, Run

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "risk.md"
PICTURE = ROOT / "docs" / "images" / "risk-roc.svg"
TABLE = ROOT / "risk" / "calibration.json"
BEGIN, END = "<!-- report -->", "<!-- end of report -->"
SEED, USERS = 20_26, 3000
NOTHING = "-"
COUNTS, SHARES = (12, 39), (0.98, 0.99, 0.995)
ATTACK_AT = (2, 4, 6, 9, 12, 18, 24, 30, 39)
# Asked at 99 % of attacks, by attacker: within 12 sign-ins, within 39.
TARGETS = {"naive": (2, 1), "VPN": (3, 3), "targeted": (4, 3)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.risk", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--csv", type=Path, help="the real data set, or part of it")
    parser.add_argument("--dry-run", action="store_true", help="print, and write nothing")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    run = from_file(given.csv) if given.csv else generated(given.seed, given.users)
    cells = list(measure.table(run, counts=COUNTS, shares=SHARES))
    text = report(run, cells, seed=given.seed, users=given.users)
    print(text)
    print(f"measured in {time.monotonic() - began:.0f} s")
    if given.csv or given.dry_run:
        return 0
    TABLE.write_text(
        json.dumps(calibration(run, seed=given.seed, users=given.users), indent=2) + "\n"
    )
    PICTURE.write_text(picture(run))
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
    return 0


def generated(seed: int, users: int) -> Run:
    """A year of generated people, each attacked by each attacker at set points."""
    world = World(seed=seed, users=users)
    return measure.replay(
        world.logins(),
        attackers={name: partial(attack, world) for name, attack in ATTACKERS.items()},
        attack_at=ATTACK_AT,
        up_to=max(COUNTS),
    )


def from_file(path: Path) -> Run:
    """The real set: its takeovers are the very targeted attackers, its attack addresses naive ones.

    An address of an attack is tried on whoever signed in last before it.
    """
    logins = sorted(read(path), key=lambda login: login.at)
    marked = [login for login in logins if login.is_attack_address and not login.is_successful]
    people = [login for login in logins if not login.is_takeover and not login.is_attack_address]

    def naive(victim: Login, _day: float) -> Login:
        source = marked[victim.user % len(marked)]
        return but(source, user=victim.user, at=victim.at)

    return measure.replay(
        people,
        attackers={"naive": naive} if marked else {},
        attack_at=ATTACK_AT,
        up_to=max(COUNTS),
    )


def sums(run: Run, layer: str) -> tuple[list[float], list[float]]:
    """People's sums, and those of the three attackers who are no insiders, pooled."""
    attacks = [each.sums[layer] for name in TARGETS for each in run.attacks.get(name, ())]
    return [each.sums[layer] for each in run.people], attacks


def calibration(run: Run, *, seed: int, users: int) -> dict[str, object]:
    people, attacks = sums(run, BROWSER)
    intercept, slope = calibrate.logistic(people, attacks)
    medium, high = calibrate.levels(people, attacks)
    return {
        "made_by": "make risk-report",
        "users": users,
        "sign_ins": len(people),
        "attacks": len(attacks),
        "calibration": {
            "seed": seed,
            "intercept": round(intercept, 4),
            "slope": round(slope, 4),
            "medium_from": round(medium, 3),
            "high_from": round(high, 3),
        },
    }


def report(run: Run, cells: Sequence[Cell], *, seed: int, users: int) -> str:
    lines = [
        (
            f"Seed {seed}, {users} people, {len(run.people)} scored sign-ins, "
            f"{sum(map(len, run.attacks.values()))} attacks; "
            f"{len(run.reached(12))} people signed in 12 times, {len(run.reached(39))} of them 39."
        ),
        "",
        "**Asked again**, median per person (and share of all sign-ins), where 99 % of the attacks",
        "are caught:",
        "",
        "| attacker | within | target | " + " | ".join(LAYERS) + " |",
        "|---|---|---|" + "---|" * len(LAYERS),
    ]
    found = {(cell.attacker, cell.logins, cell.layer, cell.share_caught): cell for cell in cells}
    for attacker in run.attacks:
        for index, logins in enumerate(COUNTS):
            row = [found.get((attacker, logins, layer, 0.99)) for layer in LAYERS]
            target = f"≤ {TARGETS[attacker][index]}" if attacker in TARGETS else NOTHING
            shown = [f"{cell.median:g} ({cell.rate:.1%})" if cell else NOTHING for cell in row]
            lines.append(
                f"| {attacker} | {logins} sign-ins | {target} | " + " | ".join(shown) + " |"
            )
    lines += [
        "",
        "The same as shipped (with browser cookie), by the share of attacks caught:",
        "",
        "| attacker | within | " + " | ".join(f"{share:.1%}" for share in SHARES) + " |",
        "|---|---|" + "---|" * len(SHARES),
    ]
    for attacker in run.attacks:
        for logins in COUNTS:
            row = [found.get((attacker, logins, BROWSER, share)) for share in SHARES]
            shown = [f"{cell.median:g} ({cell.rate:.1%})" if cell else NOTHING for cell in row]
            lines.append(f"| {attacker} | {logins} sign-ins | " + " | ".join(shown) + " |")
    lines += ["", "Area below the curve:", "", "| attacker | " + " | ".join(LAYERS) + " |"]
    lines.append("|---|" + "---|" * len(LAYERS))
    for attacker, attacks in run.attacks.items():
        areas = [
            measure.area(
                measure.roc(
                    [each.sums[layer] for each in run.people],
                    [each.sums[layer] for each in attacks],
                )
            )
            for layer in LAYERS
        ]
        lines.append(f"| {attacker} | " + " | ".join(f"{area:.3f}" for area in areas) + " |")
    return "\n".join(lines) + "\n"


def picture(run: Run) -> str:
    curves = {
        layer: {
            name: measure.roc(
                [each.sums[layer] for each in run.people], [each.sums[layer] for each in attacks]
            )
            for name, attacks in run.attacks.items()
        }
        for layer in (BROWSER, LIKELIHOOD)
    }
    return plot.draw(
        curves[BROWSER], curves[LIKELIHOOD], title="Attacks caught, for people asked again"
    )


if __name__ == "__main__":
    sys.exit(main())
