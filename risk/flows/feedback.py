"""What people say of a sign-in: it was me, it was not."""

from datetime import datetime
from typing import Literal

from django.db import transaction

from audit.events import Event
from audit.recorder import record
from risk.flows.accounts import clear_user_risk, raise_user_risk
from risk.flows.sign_ins import learn_later
from risk.levels import RiskLevel
from risk.models import SignIn, Verdict
from risk.signals import sign_in_judged

Judge = Literal["user", "administrator"]


@transaction.atomic
def judge_sign_in(
    *, sign_in: SignIn, verdict: Verdict, by: Judge, actor: str, now: datetime
) -> SignIn:
    """Take somebody's word.

    Compromised: the account is at high risk, and the session of that sign-in ends. Safe: it is
    learnt, and an administrator's word ends the account's risk as well; a user's does not, since
    whoever took the account over would say the same. Saying it again changes nothing; the last word
    counts, but an administrator's is not undone by a user's.
    """
    locked = (
        SignIn.objects.within_id(sign_in.organisation_id).select_for_update().get(pk=sign_in.pk)
    )
    if locked.verdict == verdict or (locked.judged_by == "administrator" and by == "user"):
        return locked
    locked.verdict, locked.judged_by, locked.judged_at = verdict, by, now
    locked.save(update_fields=["verdict", "judged_by", "judged_at"])
    record(
        Event.LOGIN_JUDGED,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=f"accounts.User:{locked.user_id}",
        session_id=locked.session_id,
        now=now,
        verdict=verdict,
        by=by,
    )
    if verdict == Verdict.COMPROMISED:
        raise_user_risk(
            user_id=locked.user_id,
            organisation_id=locked.organisation_id,
            level=RiskLevel.HIGH,
            reason="reported" if by == "user" else "judged_compromised",
            actor=actor,
            now=now,
        )
    else:
        learn_later(locked, now=now)
        if by == "administrator":
            clear_user_risk(
                user_id=locked.user_id,
                organisation_id=locked.organisation_id,
                cause="administrator",
                actor=actor,
                now=now,
            )
    sign_in_judged.send(SignIn, sign_in=locked, verdict=verdict, now=now)
    return locked
