"""Judging a whole sign-in, and learning what is usual."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from audit.events import Event
from audit.recorder import record
from core.assurance import Level
from risk import evidence, history
from risk.agents import read_agent
from risk.evidence import Evidence, Fix
from risk.flows.accounts import clear_user_risk
from risk.geo import NOWHERE, Place, locate
from risk.history import Known
from risk.levels import RiskLevel
from risk.likelihood import likelihood_ratio
from risk.models import FailedSignIn, SignIn
from risk.score import Score, calibration, fault, judge
from risk.signals import sign_in_assessed

log = structlog.get_logger(__name__)

NEW_ACCOUNT = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A sign-in that succeeded, as values: risk knows people, browsers and sessions by ids.

    account: the address that signed in. level: what was proven. passkey_added_at: since when the
    passkey that proved it is the account's; None for any other proof.
    """

    user_id: UUID
    organisation_id: UUID
    account: str
    account_created_at: datetime
    session_id: UUID
    address: str
    user_agent: str
    browser_id: UUID | None = None
    browser_name: str = ""
    is_known_browser: bool = False
    is_enrolled_device: bool = False
    level: Level = Level.NONE
    passkey_added_at: datetime | None = None


@transaction.atomic
def assess_login(attempt: Attempt, *, now: datetime) -> SignIn:
    """Judge a sign-in, write the judgement down, and learn from it if it may be learnt from.

    Whatever goes wrong in between counts as high: not judged is never harmless.
    """
    place, known, values = NOWHERE, None, []
    try:
        with transaction.atomic():
            place = locate(attempt.address)
            agent = read_agent(attempt.user_agent)
            values = history.values_of(
                organisation_id=attempt.organisation_id,
                address=attempt.address,
                place=place,
                agent=agent,
            )
            known = _look_up(attempt, place, values, account=attempt.account, now=now)
            score = _score(attempt, known, place, now)
    except Exception:
        log.exception("a sign-in could not be judged")
        score, known = fault(), None
    is_learnt = known is not None and _may_be_learnt(attempt, score)
    sign_in = _write_down(attempt, place, values, score, now if is_learnt else None, now)
    if known is not None and is_learnt:
        _learn(sign_in, place, known)
    _trust_again(attempt, known, now)
    transaction.on_commit(lambda: sign_in_assessed.send(SignIn, sign_in=sign_in, now=now))
    return sign_in


@transaction.atomic
def confirm_sign_in(*, session_id: UUID, level: Level, now: datetime) -> None:
    """Learn a sign-in that was unusual, now that its session has proven more.

    A high one is learnt by a proof that cannot be phished, or by what a person says of it.
    """
    sign_in = (
        SignIn.unscoped.select_for_update().filter(session_id=session_id, learnt_at=None).first()
    )
    if sign_in is not None and sign_in.verdict == "" and _is_proof(level, RiskLevel(sign_in.level)):
        learn_later(sign_in, now=now)


def learn_later(sign_in: SignIn, *, now: datetime) -> None:
    """Count a sign-in that was written down before."""
    if sign_in.learnt_at is not None or not sign_in.values or sign_in.address is None:
        return
    place = locate(sign_in.address)
    values = [None if value is None else bytes(value) for value in sign_in.values]
    known = _look_up(sign_in, place, values, account="", now=now)
    _learn(sign_in, place, known)
    sign_in.learnt_at = now
    sign_in.save(update_fields=["learnt_at"])


def note_failure(*, account: str, address: str, now: datetime) -> None:
    """Remember a failed attempt for a day, by digests alone."""
    FailedSignIn.objects.create(
        at=now,
        **history.digests_of_attempt(
            account=account, address=address, network=locate(address).network
        ),
    )


def _look_up(
    of: Attempt | SignIn,
    place: Place,
    values: list[bytes | None],
    *,
    account: str,
    now: datetime,
) -> Known:
    """What is remembered that matters to a sign-in. account: whose failures count, "" for none."""
    return history.read(
        user_id=of.user_id,
        organisation_id=of.organisation_id,
        account=account,
        address=of.address or "",
        network=place.network,
        values=values,
        now=now,
    )


def _score(attempt: Attempt, known: Known, place: Place, now: datetime) -> Score:
    found: list[Evidence | None] = [
        *evidence.novelty(known.own),
        evidence.travel(known.last, _fix(place, known, now)),
        evidence.recognition(
            has_history=known.own.logins > 0,
            is_known_browser=attempt.is_known_browser,
            is_enrolled_device=attempt.is_enrolled_device,
        ),
        evidence.hour(known.hours, now),
        evidence.spray(
            by_address=known.by_address,
            by_network=known.by_network,
            users_of_address=known.users_of_address,
        ),
        evidence.failures(known.failures),
        evidence.proof(is_phishing_resistant=attempt.level >= Level.PHR),
        *(
            Evidence(code, evidence.VERY_LARGE)
            for code in ("token_replay", "takeover")
            if code in known.user_reasons
        ),
    ]
    return judge(
        likelihood_ratio(known.own, known.everybody),
        found,
        calibration=calibration(),
        is_new_account=now - attempt.account_created_at <= NEW_ACCOUNT,
    )


def _fix(place: Place, known: Known, now: datetime) -> Fix | None:
    if place.latitude is None or place.longitude is None:
        return None
    return Fix(place.latitude, place.longitude, place.accuracy_km, now, known.is_shared)


def _write_down(
    attempt: Attempt,
    place: Place,
    values: list[bytes | None],
    score: Score,
    learnt_at: datetime | None,
    now: datetime,
) -> SignIn:
    reasons = [[each.code, round(each.weight, 2)] for each in score.reasons]
    sign_in = SignIn.objects.create(
        organisation_id=attempt.organisation_id,
        user_id=attempt.user_id,
        session_id=attempt.session_id,
        browser_id=attempt.browser_id,
        browser_name=attempt.browser_name,
        is_known_browser=attempt.is_known_browser,
        at=now,
        address=attempt.address,
        country=place.country,
        city=place.city,
        network=place.network,
        log_odds=score.log_odds,
        score=score.value,
        level=score.level,
        reasons=reasons,
        values=values,
        learnt_at=learnt_at,
    )
    record(
        Event.LOGIN_ASSESSED,
        organisation_id=attempt.organisation_id,
        actor=f"accounts.User:{attempt.user_id}",
        subject=sign_in,
        session_id=attempt.session_id,
        address=attempt.address,
        now=now,
        score=score.value,
        level=score.level.label,
        reasons=reasons,
    )
    return sign_in


def _may_be_learnt(attempt: Attempt, score: Score) -> bool:
    """Whoever gets in by a password alone from a strange place does not become usual thereby."""
    return score.level is RiskLevel.LOW or _is_proof(attempt.level, score.level)


def _is_proof(proven: Level, risk: RiskLevel) -> bool:
    return proven >= (Level.PHR if risk >= RiskLevel.HIGH else Level.AAL2)


def _learn(sign_in: SignIn, place: Place, known: Known) -> None:
    history.learn(
        user_id=sign_in.user_id,
        organisation_id=sign_in.organisation_id,
        values=[None if value is None else bytes(value) for value in sign_in.values],
        place=place,
        is_shared=known.is_shared,
        hours=evidence.remember_hour(known.hours, sign_in.at),
        at=sign_in.at,
    )


def _trust_again(attempt: Attempt, known: Known | None, now: datetime) -> None:
    """A passkey that was there before the trouble shows that its owner is back.

    One that was added since shows nothing: whoever took the account over may have added it.
    """
    added_at = attempt.passkey_added_at
    if known is None or known.user_level is RiskLevel.NONE or added_at is None:
        return
    clear_user_risk(
        user_id=attempt.user_id,
        organisation_id=attempt.organisation_id,
        raised_after=added_at,
        cause="passkey",
        actor=f"accounts.User:{attempt.user_id}",
        now=now,
    )
