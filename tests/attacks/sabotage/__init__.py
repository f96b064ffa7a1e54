"""Takes a defence away and expects the tests of its attack to fail: else they prove nothing.

    make sabotage                    every defence
    make sabotage ARGS="A024 A030"   all defences against these attacks
    make sabotage ARGS="A073-ciba"   this one
    make sabotage ARGS="G"           all of this class
    make sabotage ARGS="l_grants"    all of this module
    make sabotage ARGS="faults"      all against faults
    make sabotage ARGS="--part 2/6"  the second of six parts, of all or of those named

One module for each class of attack, several by noun where a class is large, and one for faults; a
name begins with that of the attack. pytest runs with `plugin`: each test runs without the defence it
is for, and a defence whose absence no test noticed is reported. A test that ended in the code of a
sabotage has not noticed: that is broken. A run takes one defence away from a file of tests, so where
a file is for several there are several runs, and after each of them the count so far. What is taken
away is one thing, where the code has it; `edit` fails when that place has changed, so that the
tables follow the code.
"""

from pathlib import Path

from tests.attacks.sabotage import (
    a_authorization,
    b_codes,
    c_tokens,
    d_jose,
    e_clients,
    f_grants,
    faults,
    g_sessions,
    h_sign_in,
    i_second_factors,
    j_passkeys,
    k_mail,
    l_access,
    l_administration,
    l_devices,
    l_forward_auth,
    l_grants,
    l_policy,
    m_platform,
)
from tests.attacks.sabotage.defence import Defence

TESTS = Path(__file__).resolve().parent.parent.parent
CLASSES = (
    a_authorization,
    b_codes,
    c_tokens,
    d_jose,
    e_clients,
    f_grants,
    g_sessions,
    h_sign_in,
    i_second_factors,
    j_passkeys,
    k_mail,
    l_access,
    l_administration,
    l_devices,
    l_forward_auth,
    l_grants,
    l_policy,
    m_platform,
    faults,
)
DEFENCES: dict[str, Defence] = {
    name: defence for each in CLASSES for name, defence in each.DEFENCES.items()
}


def files_of(name: str) -> list[Path]:
    """The tests that have to notice when this defence is missing."""
    folder = "faults" if name.startswith("F") else "attacks"
    pattern = DEFENCES[name].files or f"{folder}/test_{name.partition('-')[0].lower()}_*.py"
    return sorted(TESTS.glob(pattern))


def named(names: list[str]) -> list[str]:
    """The defences meant by these names, each once; KeyError for a name that means none."""
    modules = {each.__name__.rpartition(".")[2]: each.DEFENCES for each in CLASSES}
    chosen: dict[str, None] = {}
    for name in names:
        meant = [
            defence
            for module, known in modules.items()
            for defence in known
            if name.lower() in {module, module.partition("_")[0]}
            or name in {defence, defence.partition("-")[0]}
        ]
        if not meant:
            raise KeyError(name)
        chosen |= dict.fromkeys(meant)
    return list(chosen)


def part_of(names: list[str], number: int, parts: int) -> list[str]:
    """What the part of this number takes away: neighbours, which share files, go to several parts."""
    return names[number - 1 :: parts]
