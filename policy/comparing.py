"""How the text of a version differs from what counts."""

import difflib
from collections.abc import Mapping

from django.conf import settings

from policy.bundle import is_test
from policy.models import Publication


def shipped_modules() -> dict[str, str]:
    """The files that came with the program, with their tests."""
    return {each.name: each.read_text() for each in sorted(settings.POLICY_DIR.glob("*.rego"))}


def modules_that_count() -> dict[str, str]:
    """The files of what counts now, with their tests."""
    current = Publication.objects.select_related("version").filter(ended_at=None).first()
    if current is None or current.version is None:
        return shipped_modules()
    return dict(sorted(current.version.modules.items()))


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """File by file what is not the same, as a unified difference; tests that are gone left out."""
    told = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after and not (is_test(name) and name not in new):
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), "counts", "this", lineterm=""
            )
            told.append((name, list(lines)))
    return told
