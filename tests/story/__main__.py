"""`make story`: plays the steps in order, prints each with its evidence, fails with the first."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import tests.support.environment  # noqa: F401 - gives this process the suite's servers
from tests.story import (
    copied_cookies,
    elsewhere,
    joining,
    on_its_second,
    posture,
    privilege,
    tokens,
)
from tests.story.stage import Stage, open_stage


@dataclass(frozen=True)
class Step:
    """number: as in the design. act: None where that part of the product is not built yet."""

    number: int
    title: str
    act: Callable[[Stage], None] | None = None


STEPS = (
    Step(1, "An employee joins by invitation, adds a passkey, enrols her laptop", joining.join),
    Step(2, "She signs in to an application by passkey", tokens.sign_in_to_the_application),
    Step(
        3,
        "The application asks for a role; she asks for 30 minutes of it",
        privilege.ask_for_the_role,
    ),
    Step(4, "A second person approves; she activates it", privilege.approve_and_begin),
    Step(5, "Policy permits; the decision is logged", privilege.permit),
    Step(6, "Her disk encryption goes off", posture.lose_disk_encryption),
    Step(7, "Her cookies, copied to another browser, are refused", copied_cookies.copy_cookies),
    Step(
        8,
        "A sign-in from another continent is challenged, and she is told",
        elsewhere.sign_in_from_afar,
    ),
    Step(
        9,
        "With every worker stopped, the grant still ends on its second",
        on_its_second.end_without_workers,
    ),
    Step(10, "An auditor verifies that hour offline"),
    Step(11, "The customer disables its key"),
)


def main() -> int:
    with open_stage() as stage:
        for step in STEPS:
            if step.act is None:
                print(f"{step.number:>2}. {step.title}\n      not built yet", flush=True)
                continue
            began = time.monotonic()
            stage.evidence.clear()
            fault: BaseException | None = None
            try:
                step.act(stage)
            except (Exception, AssertionError) as failure:
                fault = failure
            took = time.monotonic() - began
            print(f"{step.number:>2}. {step.title}  ({took:.1f} s)")
            for line in stage.evidence:
                print(f"      {line}")
            if fault is not None:
                print(f"      FAILED: {type(fault).__name__}: {fault}\n      at {stage.page.url}")
                return 1
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
