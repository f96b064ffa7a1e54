"""The shape of what people send about access."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from access.models import MAX_REASON_LENGTH, MAX_TICKET_LENGTH, Entitlement
from access.shown import lasting

MINUTE = timedelta(minutes=1)
MOST_DIGITS = 6
# Minutes that are offered, as far as they are allowed: a quarter of an hour to a fortnight.
USUAL = (15, 30, 60, 120, 240, 480, 1440, 2880, 4320, 10_080, 20_160)
LOCAL = "%Y-%m-%dT%H:%M"


class WishForm(forms.Form):
    """For how long, why, and for which ticket."""

    minutes = forms.TypedChoiceField(label="For how long", coerce=int)
    reason = forms.CharField(
        label="Reason",
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Whoever answers reads this, and it is kept.",
    )
    ticket = forms.CharField(label="Ticket", max_length=MAX_TICKET_LENGTH)

    def __init__(
        self, *args: Any, entitlement: Entitlement, longest: timedelta | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        longest = longest or entitlement.max_duration
        minutes: Any = self.fields["minutes"]
        minutes.choices = choices(longest, self._wished())
        minutes.error_messages["invalid_choice"] = f"It lasts {lasting(longest)} at most."
        self.fields["reason"].required = entitlement.reason_required
        if not entitlement.ticket_pattern and not entitlement.ticket_webhook:
            del self.fields["ticket"]

    def _wished(self) -> int:
        """Minutes that a link or what was sent has named; 0 for none."""
        return read_minutes((self.data if self.is_bound else self.initial).get("minutes", ""))

    @property
    def duration(self) -> timedelta:
        minutes: int = self.cleaned_data["minutes"]
        return timedelta(minutes=minutes)


class RequestForm(WishForm):
    """starts_at: in UTC, as pages show times; empty for now."""

    starts_at = forms.DateTimeField(
        label="Start (UTC)",
        required=False,
        input_formats=[LOCAL, f"{LOCAL}:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL),
        help_text="Empty: as soon as it is approved.",
    )

    def __init__(self, *args: Any, entitlement: Entitlement, **kwargs: Any) -> None:
        super().__init__(*args, entitlement=entitlement, **kwargs)
        if not entitlement.start_horizon:
            del self.fields["starts_at"]

    @property
    def wish(self) -> dict[str, Any]:
        """As `access.flows.request_grant` and `access.explaining.explain` take it."""
        starts_at: datetime | None = self.cleaned_data.get("starts_at")
        return {
            "duration": self.duration,
            "reason": self.cleaned_data["reason"],
            "ticket": self.cleaned_data.get("ticket", ""),
            "starts_at": starts_at,
        }


class EmergencyForm(WishForm):
    """Without approval: never without a reason, and no ticket is waited for."""

    def __init__(self, *args: Any, entitlement: Entitlement, **kwargs: Any) -> None:
        super().__init__(
            *args, entitlement=entitlement, longest=entitlement.break_glass_duration, **kwargs
        )
        self.fields["reason"].required = True
        self.fields.pop("ticket", None)


class AnswerForm(forms.Form):
    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("deny", "Deny")])
    reason = forms.CharField(
        label="Reason for your answer",
        max_length=MAX_REASON_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Whoever asks reads this, and it is kept.",
    )

    def __init__(self, *args: Any, needs_reason: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = needs_reason


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Reason", max_length=200, widget=forms.Textarea(attrs={"rows": 2})
    )


class ReviewForm(forms.Form):
    verdict = forms.ChoiceField(choices=[("justified", "It was right"), ("not", "It was not")])
    reason = forms.CharField(
        label="What you found", max_length=MAX_REASON_LENGTH, required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip


def read_minutes(text: Any) -> int:
    """A whole number of minutes; 0 for anything else."""
    digits = str(text)
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
    return int(digits) if is_number else 0


def choices(longest: timedelta, wished: int = 0) -> list[tuple[int, str]]:
    """Minutes and words: the usual ones, the longest, and what was wished for if it is allowed."""
    most = int(longest / MINUTE) or 1
    offered = {each for each in (*USUAL, wished) if 0 < each <= most} | {most}
    return [(each, lasting(each * MINUTE)) for each in sorted(offered)]
