"""The whole form of an entitlement, and where on it a refusal is said."""

from typing import Any

from access.models import Entitlement, Kind
from access.offers import COLUMNS, MAX_STAGES, Offer, check_offer
from accounts.models import Organisation
from console.admin.entitlements.form import OfferForm, StageForm, initial
from core.errors import Refusal

# Where a refusal of the terms belongs, by how it begins.
PLACES = {
    "The condition": "condition",
    "A type": "resources",
    "A name": "resources",
    "There are at most 50 resources": "resources",
    "Threshold": "thresholds",
    "The filter of": "thresholds",
    "There are at most 10 thresholds": "thresholds",
    "The pattern of tickets": "ticket_pattern",
    "Whoever checks tickets": "ticket_webhook",
    "An emergency": "break_glass_roles",
    "An entitlement gives": "roles",
    "An age": "max_age",
    "A window": "approval_window",
}


class Editor:
    """The whole form of an entitlement: its terms, and five stages of which any may be empty."""

    def __init__(
        self, organisation: Organisation, entitlement: Entitlement | None, data: Any = None
    ) -> None:
        self.organisation, self.entitlement = organisation, entitlement
        terms, stages = ({}, []) if entitlement is None else initial(entitlement)
        self.form = OfferForm(data, organisation=organisation, original=entitlement, initial=terms)
        stages += [{}] * (MAX_STAGES - len(stages))
        self.stages = [
            StageForm(data, prefix=f"stage{number}", organisation=organisation, initial=initial)
            for number, initial in enumerate(stages, 1)
        ]
        self.offer: Offer | None = None

    def is_valid(self) -> bool:
        """Whether it may be saved; `offer` is what it says then."""
        forms_ = [self.form, *self.stages]
        if not all([each.is_valid() for each in forms_]):  # noqa: C419 - each shows its errors
            return False
        values = self.form.cleaned_data
        kept = self.entitlement
        offer = Offer(
            kind=Kind.ROLES if kept is None else kept.kind,
            roles=list(values.get("roles", ())),
            break_glass_roles=tuple(values.get("break_glass_roles", ())),
            stages=[stage.line for stage in self.stages if stage.is_used],
            thresholds=values["thresholds"],
            resources=values.get("resources", ()),
            **{
                column: values[column] if column in values else getattr(kept, column)
                for column in COLUMNS
            },
        )
        try:
            check_offer(offer, self.organisation.pk)
        except Refusal as refusal:
            self.refuse(refusal)
            return False
        self.offer = offer
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Say it at the field that it is about, where that is known."""
        told = refusal.detail
        used = [stage for stage in self.stages if stage.is_used]
        if told.startswith("A stage") and used:
            stage = next((each for each in used if _is_about(told, each)), used[0])
            stage.add_error(_place_in_stage(told), told)
            return
        place = next((where for begin, where in PLACES.items() if told.startswith(begin)), None)
        self.form.add_error(place, told)


def _is_about(told: str, stage: StageForm) -> bool:
    line = stage.line
    if "who may answer" in told:
        return all(each.is_escalation for each in line.approvers)
    if "how long" in told:
        return line.escalate_after is None and bool(stage.cleaned_data["escalation"])
    if "needs" in told:
        return line.approvals_needed < 1
    return True


def _place_in_stage(told: str) -> str:
    if "who may answer" in told:
        return "approvers"
    return "approvals_needed" if "needs" in told else "escalate_after"
