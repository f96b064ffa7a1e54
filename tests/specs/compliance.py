"""Writes docs/compliance.md out of the tests: `python -m tests.specs.compliance`.

Each row is a test that carries `@pytest.mark.spec(document, section, requirement)`, or one in a
folder of `tests/specs` whose name says it: `test_section_2_1_…`. What stands above the mark in the
page is written by hand, and kept.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compliance.md"
MARK = "<!-- written by `python -m tests.specs.compliance`: do not edit below -->"


TITLES = {
    "ciba": "CIBA Core 1.0",
    "token_status_list": "Token Status List",
    "client_id_metadata": "Client ID Metadata Document",
    "form_post": "Form Post Response Mode",
    "global_token_revocation": "Global Token Revocation",
    "jarm": "JARM",
    "oidc_backchannel_logout": "Back-Channel Logout",
    "oidc_core": "OpenID Core",
    "oidc_discovery": "OpenID Discovery",
    "oidc_frontchannel_logout": "Front-Channel Logout",
    "oidc_registration": "OpenID Connect Registration",
    "oidc_session_management": "Session Management",
    "oidc_rp_logout": "RP-Initiated Logout",
}


@dataclass(frozen=True, order=True)
class Requirement:
    document: str
    section: tuple[int | str, ...]
    said: str
    test: str

    @property
    def section_text(self) -> str:
        return ".".join(str(part) for part in self.section)


def requirements() -> list[Requirement]:
    """Every marked test, in the order of the documents."""
    found = [row for path in sorted(ROOT.glob("tests/**/test_*.py")) for row in _marked(path)]
    return sorted(found, key=lambda row: (row.document, str(row.section), row.said, row.test))


def page() -> str:
    """The page as it has to be."""
    head, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{PAGE.name} has lost its mark")
    by_document: dict[str, list[Requirement]] = defaultdict(list)
    for row in requirements():
        by_document[row.document].append(row)
    lines = [head + MARK, ""]
    for document, rows in by_document.items():
        lines += [f"## {document}", "", "| section | requirement | test |", "| --- | --- | --- |"]
        lines += [
            f"| {row.section_text} | {row.said.replace('|', '¦')} | `{row.test}` |" for row in rows
        ]
        lines.append("")
    return "\n".join(lines)


def _marked(path: Path) -> Iterator[Requirement]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(ROOT / "tests").as_posix()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        is_marked = False
        for decorator in node.decorator_list:
            if (
                isinstance(decorator, ast.Call)
                and ast.unparse(decorator.func) == "pytest.mark.spec"
            ):
                document, section, said = (ast.literal_eval(word) for word in decorator.args)
                yield Requirement(document, _split(section), said, f"{place}::{node.name}")
                is_marked = True
        if not is_marked and place.startswith("specs/") and isinstance(node, ast.FunctionDef):
            yield from _named(place, node.name)


def _named(place: str, name: str) -> Iterator[Requirement]:
    """What the name of a test in a folder of one specification says."""
    if not name.startswith("test_"):
        return
    words = name.removeprefix("test_").split("_")
    section: list[str] = []
    if words[0] == "section":
        words = words[1:]
        while words and words[0].isdigit():
            section.append(words.pop(0))
    document = TITLES.get(place.split("/")[1]) or place.split("/")[1].upper().replace("RFC", "RFC ")
    yield Requirement(document, _split(".".join(section)), " ".join(words), f"{place}::{name}")


def _split(section: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in section.split("."))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(requirements())} requirements")
