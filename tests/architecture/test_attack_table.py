"""docs/threat-model.md lists the tests of the attacks, and no others."""

import re
from pathlib import Path

from tests.attacks.sabotage import CLASSES, DEFENCES, files_of, named, part_of

ROOT = Path(__file__).resolve().parent.parent.parent


def files_there() -> list[str]:
    return sorted(path.name for path in ROOT.glob("tests/attacks/test_a[0-9]*.py"))


def test_the_table_and_the_folder_agree() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (A\d{3}) \| .* \| `(.*)` \|$", page, re.MULTILINE)

    assert [name for _, name in listed] == files_there()
    assert all(name.startswith(f"test_{attack.lower()}_") for attack, name in listed)


def test_each_of_them_is_sabotaged() -> None:
    """A test that stays green without its defence proves nothing."""
    sabotaged = {path.name for name in DEFENCES for path in files_of(name)}

    assert [name for name in files_there() if name not in sabotaged] == []


def test_each_sabotage_has_tests() -> None:
    assert [name for name in DEFENCES if not files_of(name)] == []


def test_each_sabotage_has_a_name_of_its_own() -> None:
    assert len(DEFENCES) == sum(len(each.DEFENCES) for each in CLASSES)


def test_parts_together_take_each_defence_away_once() -> None:
    parts = [part_of(list(DEFENCES), number, 6) for number in range(1, 7)]

    assert sorted(name for part in parts for name in part) == sorted(DEFENCES)


def test_a_letter_means_every_module_of_its_class() -> None:
    of_the_class = [each.DEFENCES for each in CLASSES if ".l_" in each.__name__]

    assert len(of_the_class) > 1
    assert named(["L"]) == [name for known in of_the_class for name in known]
