"""docs/threat-model.md lists the tests of the attacks on the provider, and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAST = 80  # the later ones are attacks on people and platform


def test_the_table_and_the_folder_agree():
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (A\d{3}) \| .* \| `(.*)` \|$", page, re.MULTILINE)
    there = sorted(path.name for path in ROOT.glob("tests/attacks/test_a0*.py"))

    assert [name for _, name in listed] == [name for name in there if int(name[6:9]) <= LAST]
    assert all(name.startswith(f"test_{attack.lower()}_") for attack, name in listed)
