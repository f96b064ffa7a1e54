"""docs/compliance.md says what the tests show, and nothing else."""

from tests.specs import compliance


def test_the_page_is_what_the_tests_say():
    assert compliance.PAGE.read_text(encoding="utf-8") == compliance.page(), (
        "run: python -m tests.specs.compliance"
    )


def test_every_specification_has_marked_tests():
    folders = {path.parent.name for path in compliance.ROOT.glob("tests/specs/*/test_*.py")}
    shown = {
        row.test.split("/")[1] for row in compliance.requirements() if row.test.startswith("specs/")
    }

    assert folders == shown
