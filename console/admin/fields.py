"""What administrators write into the fields of a form, and how it is read."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms

from access.offers import ApproverLine
from accounts.models import Group, Organisation, Role, User

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
MAX_LINES, MAX_LENGTH = 50, 30
_PERIOD = re.compile(r"(\d{1,5})\s*([dhm])")


class PeriodField(forms.Field):
    """A time as people write it: `8h`, `1d 12h`, `30m`; `0` for none at all."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"size": 12, "spellcheck": "false"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return written(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip().lower()
        if not text:
            return None
        if text == "0":
            return timedelta(0)
        if len(text) > MAX_LENGTH or _PERIOD.sub("", text).strip():
            raise forms.ValidationError("Write a time like 8h, 1d 12h or 30m.")
        return sum(
            (int(count) * UNITS[unit] for count, unit in _PERIOD.findall(text)), timedelta(0)
        )


def written(period: timedelta) -> str:
    """The period as `PeriodField` reads it; seconds are not told."""
    left, parts = period, []
    for unit, length in UNITS.items():
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0"


class ApproversField(forms.Field):
    """Who may answer, one a line: an address, `group:name`, `role:name`, or `administrators`."""

    def __init__(self, *, organisation: Organisation, **kwargs: Any) -> None:
        self.organisation = organisation
        attrs = {"rows": 3, "cols": 50, "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attrs), required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else "\n".join(value)

    def to_python(self, value: Any) -> Any:
        given = str(value or "").replace("\0", "\N{REPLACEMENT CHARACTER}").splitlines()
        lines = list(dict.fromkeys(line.strip() for line in given if line.strip()))
        if len(lines) > MAX_LINES:
            raise forms.ValidationError(f"At most {MAX_LINES} lines: name a group instead.")
        unknown: list[str] = []
        found = [self._line(line, unknown) for line in lines]
        if unknown:
            told = ", ".join(f"“{line[:60]}”" for line in unknown)
            raise forms.ValidationError(f"Not known here: {told}.")
        return [each for each in found if each is not None]

    def _line(self, text: str, unknown: list[str]) -> ApproverLine | None:
        kind, colon, name = text.partition(":")
        kind, name = kind.strip().lower(), name.strip()
        organisation = self.organisation
        if text.lower() == "administrators":
            return ApproverLine(administrators=True)
        named: Any = None
        if colon and kind == "group":
            named = Group.objects.within(organisation).filter(name=name).first()
        elif colon and kind == "role":
            named = Role.objects.within(organisation).filter(name=name).first()
        elif not colon:
            kind = "user"
            named = User.objects.within(organisation).filter(email=text.lower()).first()
        if named is None:
            unknown.append(text)
            return None
        return ApproverLine(**{kind: named})


class ResourcesField(forms.Field):
    """Resources, one a line: the type, a space, the id. What they may be is the flow's to say."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 3, "cols": 50, "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attrs), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return "\n".join(f"{each['type']} {each['id']}" for each in value)

    def to_python(self, value: Any) -> list[dict[str, str]]:
        lines = (line.strip() for line in str(value or "").splitlines())
        pairs = (line.partition(" ") for line in lines if line)
        return [{"type": type_, "id": id_.strip()} for type_, _, id_ in pairs]


def approver_words(named: Any) -> str:
    """A line of `ApproversField` for a row that names an approver."""
    if named.administrators:
        return "administrators"
    if named.user_id:
        return str(named.user.email)
    return f"group:{named.group.name}" if named.group_id else f"role:{named.role.name}"


def lines_of(approvers: Iterable[Any], *, is_escalation: bool) -> list[str]:
    return sorted(approver_words(each) for each in approvers if each.is_escalation == is_escalation)
