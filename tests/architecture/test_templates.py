"""Templates hold no script, no style and nothing that a browser would run (CSP)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MAILS = sorted(path for path in (ROOT / "templates").rglob("*") if path.parent.name == "email")


def markup(path: Path) -> str:
    """The template without its comments and tags of Django's."""
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"{#.*?#}|<!--.*?-->", "", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda p: p.relative_to(ROOT / "templates").as_posix()
)
class TestEveryTemplate:
    def test_scripts_come_from_files_and_carry_the_nonce(self, path):
        for tag, body in re.findall(r"<script\b([^>]*)>(.*?)</script>", markup(path), re.DOTALL):
            if 'type="application/json"' in tag:
                continue  # data for a script, never run
            assert "src=" in tag
            assert "nonce=" in tag
            assert body.strip() == ""

    def test_nothing_is_styled_inline(self, path):
        assert not re.search(r"<style\b|\sstyle\s*=", markup(path))

    def test_no_attribute_runs_code(self, path):
        assert not re.search(r"<[^>]*\son[a-z]+\s*=", markup(path))
        assert not re.search(r"javascript:", markup(path), re.IGNORECASE)

    def test_nothing_comes_from_elsewhere(self, path):
        assert not re.search(
            r"<(script|link|img|iframe)\b[^>]*(src|href)=[\"']?(https?:)?//", markup(path)
        )

    def test_nothing_switches_escaping_off(self, path):
        # Help texts are written by code: Django's own hold lists.
        text = markup(path).replace("{{ field.help_text|safe }}", "")

        assert not re.search(r"\|\s*safe\b|{%\s*autoescape off", text)

    def test_every_form_that_changes_something_is_protected(self, path):
        for form in re.findall(r"<form\b.*?</form>", markup(path), re.DOTALL | re.IGNORECASE):
            if path.name == "form_post.html":  # goes to another site, which must not learn it
                assert "csrf" not in form
            elif re.search(r'method="post"', form, re.IGNORECASE):
                assert re.search(r"csrf_token|components/form\.html", form)


def test_there_are_templates():
    assert len(TEMPLATES) > 30


def test_code_marks_nothing_as_safe_that_people_wrote():
    rooms = [
        path for path in ROOT.glob("*/__init__.py") if path.parent.name not in {"tests", "bench"}
    ]
    found = [
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in room.parent.rglob("*.py")
        if re.search(r"mark_safe|SafeString|@html_safe", path.read_text())
    ]

    assert found in ([], ["mfa/views.py"]), "the QR code is the only markup made by code"
