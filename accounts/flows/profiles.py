"""What people say of themselves."""

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Profile, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal

CLAIMS = (
    "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
    "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
)  # fmt: skip
ADDRESS_PARTS = ("street_address", "postal_code", "locality", "region", "country")


def profile_of(user: User) -> Profile:
    """The user's profile, a blank one if nothing was said yet; not saved."""
    found = Profile.objects.within_id(user.organisation_id).filter(user=user).first()
    return found or Profile(user=user, organisation_id=user.organisation_id)


def update_profile(
    *, user: User, name: str, claims: Mapping[str, str], address: Mapping[str, str], now: datetime
) -> Profile:
    """Replace what the user says; nothing is written when nothing differs.

    claims: by CLAIMS, what is left out becomes empty. address: by ADDRESS_PARTS; `formatted` is
    made of them. Refuses conflict when somebody of the organisation has the preferred_username.
    """
    try:
        return _update(user, name, claims, address, now)
    except IntegrityError as error:
        raise Refusal.conflict("Somebody else has this user name.") from error


@transaction.atomic
def _update(
    user: User, name: str, claims: Mapping[str, str], address: Mapping[str, str], now: datetime
) -> Profile:
    locked = User.objects.within_id(user.organisation_id).select_for_update().get(pk=user.pk)
    profile = profile_of(locked)
    said = {part: address[part] for part in ADDRESS_PARTS if address.get(part)}
    wanted = {claim: claims.get(claim, "") for claim in CLAIMS} | {"address": _formatted(said)}
    changed = [claim for claim, value in wanted.items() if getattr(profile, claim) != value]
    if locked.name != name:
        locked.name = user.name = name
        locked.save(update_fields=["name"])
        changed.insert(0, "name")
    if not changed:
        return profile
    if "phone_number" in changed:
        profile.phone_number_verified = False
    for claim, value in wanted.items():
        setattr(profile, claim, value)
    profile.changed_at = now
    profile.save()
    record(
        Event.PROFILE_UPDATED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=user,
        now=now,
        changed=changed,
    )
    return profile


def _formatted(said: Mapping[str, str]) -> dict[str, str]:
    """The address with `formatted`, lines as one writes them on a letter (Core §5.1.1)."""
    if not said:
        return {}
    town = " ".join(said[part] for part in ("postal_code", "locality") if part in said)
    lines = [said.get("street_address"), town, said.get("region"), said.get("country")]
    return {"formatted": "\n".join(line for line in lines if line), **said}
