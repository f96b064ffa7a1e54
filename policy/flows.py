"""Writes versions of policy, publishes them, and goes back.

Nobody makes a version count alone: others have agreed to it (`policy/approval.py`), of whom none
wrote it or asked. To go back takes one person. All are administrators of every organisation, by
what they are: rights that somebody was granted for a while do not count for that.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, transaction

from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from policy import bundle, checking, signing
from policy.approval import approvals
from policy.models import PolicyVersion, Publication

if TYPE_CHECKING:
    from accounts.models import User

MAX_NOTE_LENGTH = 500
_LOCK = 0x5A11_0005


def write_version(
    *, author: "User", modules: Mapping[str, str], note: str, now: datetime
) -> PolicyVersion:
    """Keep these files as a version that may be published; refuses what does not compile.

    modules: text by name of the file, tests included. Tests may fail so far.
    """
    if not note.strip() or len(note) > MAX_NOTE_LENGTH:
        raise Refusal.invalid_request(f"Say what changes, in at most {MAX_NOTE_LENGTH} characters.")
    verdict = checking.check(modules)
    if verdict.faults:
        raise Refusal.invalid_request("\n".join(str(fault) for fault in verdict.faults))
    revision = bundle.of_modules(modules).revision
    with transaction.atomic():
        _lock()
        if PolicyVersion.objects.filter(revision=revision).exists():
            raise Refusal.conflict(f"These rules are there already, as {revision}.")
        version = PolicyVersion.objects.create(
            author=author,
            revision=revision,
            modules=dict(modules),
            note=note.strip(),
            check_result=verdict.document(),
            created_at=now,
        )
        record(
            Event.POLICY_VERSION_WRITTEN,
            organisation_id=None,
            actor=author,
            subject=version,
            now=now,
            revision=revision,
            note=version.note,
        )
    return version


def publish_version(
    *,
    version: PolicyVersion,
    publisher: "User",
    approval_id: UUID,
    session_id: UUID,
    now: datetime,
) -> Publication:
    """Make this version count, from this transaction on, everywhere.

    approval_id: by which others have agreed that this person publishes it; it is used up, once.
    session_id: the publisher's login session. Refuses not_allowed without such an approval,
    conflict where it is used or over, or the version counts already, invalid_request for one whose
    tests fail, and what policy refuses.
    """
    verdict = checking.check(version.modules)  # by the engine as it is now
    if not verdict.is_good:
        raise Refusal.invalid_request("\n".join(verdict.sentences()))
    with transaction.atomic():
        _lock()
        version = PolicyVersion.objects.select_for_update().get(pk=version.pk)
        current = _current()
        if current is not None and current.version_id == version.pk:
            raise Refusal.conflict("This version counts already.")
        approvals().consume(
            approval_id=approval_id,
            version=version,
            publisher=publisher,
            session_id=session_id,
            now=now,
        )
        if not version.signature:
            version.signature = signing.sign(bundle.of_modules(version.modules), now=now)
            version.save(update_fields=["signature"])
        _end(current, now)
        publication = Publication.objects.create(
            version=version,
            revision=version.revision,
            author_id=version.author_id,
            publisher=publisher,
            approval_id=approval_id,
            follows=_meant_by(current),
            published_at=now,
        )
        _tell(Event.POLICY_PUBLISHED, publication, current, now, session_id)
    return publication


def roll_back(
    *,
    publisher: "User",
    reason: str,
    now: datetime,
    to: Publication | None = None,
    session_id: UUID | None = None,
) -> Publication:
    """Make what counted before count again; refuses conflict where nothing was published.

    to: any former publication in place of the one before. It was agreed to by two then, so that one
    is enough to go back, in one step and without asking policy, which may be what is broken.
    session_id: None from a shell. Refuses not_allowed but for administrators of every organisation,
    invalid_request without a reason.
    """
    approvals().demand_administrator(user=publisher, now=now)
    reason = " ".join(reason.split())
    if not reason or len(reason) > MAX_NOTE_LENGTH or not reason.isprintable():
        raise Refusal.invalid_request(f"Say why, in at most {MAX_NOTE_LENGTH} characters.")
    with transaction.atomic():
        _lock()
        current = _current()
        meant = _meant_by(current)
        if current is None or (meant is None and to is None):
            raise Refusal.conflict("The shipped policy counts, and there is none before it.")
        target = _meant_by(to) if to is not None else meant.follows if meant else None
        if (target.version_id if target else None) == current.version_id:
            raise Refusal.conflict("This version counts already.")
        _end(current, now)
        publication = Publication.objects.create(
            version=target.version if target else None,
            revision=target.revision if target else "",
            author_id=target.author_id if target else None,
            publisher=publisher,
            is_rollback=True,
            reason=reason,
            restores=target,
            follows=target.follows if target else None,
            published_at=now,
        )
        _tell(Event.POLICY_ROLLED_BACK, publication, current, now, session_id)
    return publication


def _lock() -> None:
    """One change of policy at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _current() -> Publication | None:
    return Publication.objects.select_related("restores").filter(ended_at=None).first()


def _meant_by(publication: Publication | None) -> Publication | None:
    """The publication that a rollback restored; itself for any other; None for the shipped one."""
    if publication is None or not publication.is_rollback:
        return publication
    return publication.restores


def _end(current: Publication | None, now: datetime) -> None:
    if current is not None:
        current.ended_at = max(now, current.published_at)
        current.save(update_fields=["ended_at"])


def _tell(
    event: Event,
    publication: Publication,
    former: Publication | None,
    now: datetime,
    session_id: UUID | None,
) -> None:
    said: dict[str, Any] = {"reason": publication.reason} if publication.is_rollback else {}
    record(
        event,
        organisation_id=None,
        actor=f"accounts.User:{publication.publisher_id}",
        subject=publication.version,
        session_id=session_id,
        now=now,
        revision=publication.revision,
        former_revision=former.revision if former else "",
        author=f"accounts.User:{publication.author_id}" if publication.author_id else "",
        approval_id=publication.approval_id,
        **said,
    )
