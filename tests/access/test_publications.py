"""Publishing a policy: who asks, who agrees, what of, until when, and that it is done once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.db import IntegrityError, connection, transaction

from access import flows
from access.explaining import explain_answer, explain_publication, who_may_answer
from access.flows.publications import USUAL
from access.models import Entitlement, Grant, Kind, State
from access.offers import ApproverLine, StageLine
from access.reading import answerable, count_inbox
from access.terms import digest_of
from accounts import flows as accounts
from accounts.flows import link_accounts
from accounts.models import LockTarget, User
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from policy import engine
from policy.flows import roll_back, write_version
from policy.models import PolicyVersion, Publication
from policy.signing import digest_of_version
from policy.simulation import Report
from tests.support import access
from tests.support.publishing import administering, ask, promote, publish, publish_by, session_of

pytestmark = pytest.mark.django_db

SHIPPED = {
    path.name: path.read_text()
    for path in sorted(settings.POLICY_DIR.glob("*.rego"))
    if "_test" not in path.name
}


def written(author, comment="# Night shift\n") -> PolicyVersion:
    modules = SHIPPED | {"session.rego": SHIPPED["session.rego"] + comment}
    return write_version(author=author.user, modules=modules, note="Nights", now=clock.now())


@pytest.fixture
def ada(employee):
    """She writes, asks and publishes."""
    return promote(employee)


@pytest.fixture
def zoe(acme):
    """She agrees."""
    return administering("zoe@acme.example", acme, name="Zoe Zander")


@pytest.fixture
def session(ada):
    return session_of(ada.user)


@pytest.fixture
def version(ada, zoe):
    return written(ada)


@pytest.fixture
def asked(version, ada, session):
    return ask(version, ada, session)


@pytest.fixture
def agreed(asked, zoe):
    return access.approve(asked, zoe)


def entitlement() -> Entitlement:
    return Entitlement.unscoped.get(kind=Kind.PUBLICATION)


class TestAsking:
    def test_it_waits_for_another_administrator_who_is_told_by_mail(self, asked, version, zoe):
        assert asked.state == State.APPROVAL_AWAITED
        assert asked.policy_version == version
        assert (asked.role_names, entitlement().name) == ([], "policy-publication")
        assert who_may_answer(asked, now=clock.now()) == ([zoe.user], 0)

    def test_those_who_may_agree_are_told_by_mail(
        self, version, ada, session, zoe, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            asked = ask(version, ada, session)

        (sent,) = [each for each in mail.outbox if each.to == [zoe.email]]
        assert "Somebody asks to publish a policy" in sent.subject
        assert f"Policy:   {version.revision}" in sent.body
        assert f"/access/grants/{asked.pk}/" in sent.body

    def test_its_terms_name_the_version_and_everything_that_is_signed_of_it(self, asked, version):
        told = asked.terms["publication"]

        assert told["version"] == str(version.pk)
        assert told["digest"] == digest_of_version(version)
        assert told["replaces"] == engine.shipped().revision
        assert told["author"]["email"] == version.author.email
        assert bytes(asked.terms_digest) == digest_of(asked.terms)

    def test_a_simulation_that_was_run_stands_in_the_terms(self, version, ada, session):
        report = Report(base="abc", draft="def", looked_at=7, changed=2)
        report.by_change["allow", "deny"] = 2

        told = ask(version, ada, session, simulation=report).terms["publication"]["simulation"]

        assert (told["looked_at"], told["changed"]) == (7, 2)
        assert told["changes"] == [["allow", "deny", 2]]

    def test_a_dry_run_tells_and_leaves_nothing(self, version, ada, session):
        told = ask(version, ada, session, dry_run=True)

        assert told.state == State.APPROVAL_AWAITED
        assert not Grant.unscoped.exists()
        assert not Entitlement.unscoped.exists()

    def test_explaining_names_who_could_agree_and_leaves_nothing(self, version, ada, session, zoe):
        told = explain_publication(
            version=version, user=ada.user, session_id=session.pk, now=clock.now(), reason="x"
        )

        assert (told.allowed, told.outcome) == (True, "approval_awaited")
        assert [stage.approvers for stage in told.stages] == [[zoe.user]]
        assert not Entitlement.unscoped.exists()

    @pytest.mark.parametrize("flags", [{}, {"is_staff": True}, {"is_superuser": True}])
    def test_only_administrators_of_every_organisation_ask(self, version, newcomer, flags):
        User.unscoped.filter(pk=newcomer.user.pk).update(**flags)

        with pytest.raises(Refusal, match="every organisation"):
            ask(version, newcomer, session_of(newcomer.user))
        assert not Grant.unscoped.exists()

    def test_a_session_by_a_password_alone_does_not_ask(self, version, ada):
        with pytest.raises(Refusal) as refused:
            ask(version, ada, access.session_of(ada, acr="aal1"))
        assert refused.value.code == "insufficient_user_authentication"

    def test_a_version_whose_tests_fail_is_not_asked_for(self, ada, session):
        failing = SHIPPED | {
            "odd_test.rego": "package sallyport.odd_test\n\nimport rego.v1\n\ntest_x if false\n"
        }
        version = write_version(author=ada.user, modules=failing, note="x", now=clock.now())

        with pytest.raises(Refusal, match="test_x fails"):
            ask(version, ada, session)

    def test_what_counts_already_is_not_asked_for(self, version, ada, session):
        publish(version=version, publisher=ada.user)

        with pytest.raises(Refusal, match="already"):
            ask(version, ada, session)

    def test_it_is_no_way_to_roles_nor_roles_a_way_to_it(self, asked, ada, session, approver):
        with pytest.raises(Refusal) as refused:
            flows.request_grant(
                entitlement=entitlement(), requester=ada.user, session_id=session.pk,
                now=clock.now(),
            )  # fmt: skip
        assert refused.value.code == "not_found"
        with pytest.raises(Refusal):
            flows.break_glass(
                entitlement=entitlement(), requester=ada.user, session_id=session.pk, reason="fire",
                now=clock.now(),
            )  # fmt: skip
        assert Grant.unscoped.count() == 1


class TestAnswering:
    def test_it_waits_in_the_inbox_of_other_administrators_alone(
        self, asked, ada, zoe, approver, acme
    ):
        author = asked.author

        assert list(answerable(zoe.user, clock.now())) == [asked]
        assert count_inbox(approver=ada.user, now=clock.now()) == 0
        assert count_inbox(approver=approver.user, now=clock.now()) == 0
        assert author == ada.user

    def test_who_wrote_it_does_not_agree_when_another_asks(self, ada, zoe, approver):
        promote(approver)
        asked = ask(written(zoe), ada, session_of(ada.user))

        assert count_inbox(approver=zoe.user, now=clock.now()) == 0
        assert who_may_answer(asked, now=clock.now()) == ([approver.user], 0)
        told = explain_answer(
            grant=asked, approver=zoe.user, session_id=session_of(zoe.user).pk, now=clock.now()
        )
        assert "Nobody approves a policy that they wrote." in [
            rule.words for rule in told.rules if not rule.passed
        ]
        with pytest.raises(Refusal, match="that they wrote"):
            access.approve(asked, zoe)
        assert access.approve(asked, approver).state == State.SCHEDULED

    def test_nor_does_another_account_of_who_wrote_it(self, ada, zoe, approver):
        promote(approver)
        asked = ask(written(zoe), ada, session_of(ada.user))
        link_accounts(user=zoe.user, other=approver.user, now=clock.now())

        with pytest.raises(Refusal, match="that they wrote"):
            access.approve(asked, approver)

    def test_naming_somebody_does_not_make_them_an_administrator(self, ada, session, approver):
        """By name, by a group and by a role: what the account is counts besides."""
        role = access.role(ada.user.organisation, "reviewers")
        group = accounts.create_group(
            organisation=ada.user.organisation, name="leads", now=clock.now()
        )
        accounts.assign_role(user=approver.user, role=role, now=clock.now())
        accounts.add_group_member(group=group, user=approver.user, now=clock.now())
        lines = [
            ApproverLine(user=approver.user), ApproverLine(role=role), ApproverLine(group=group),
        ]  # fmt: skip
        flows.create_entitlement(
            organisation=ada.user.organisation, name="rules", now=clock.now(),
            offer=replace(USUAL, stages=[StageLine(lines)]),
        )  # fmt: skip
        asked = ask(written(ada), ada, session)

        assert who_may_answer(asked, now=clock.now()) == ([], 0)
        assert count_inbox(approver=approver.user, now=clock.now()) == 0
        with pytest.raises(Refusal, match="no approver"):
            access.approve(asked, approver)

        promote(approver)
        assert access.approve(asked, approver).state == State.SCHEDULED

    def test_stages_and_thresholds_are_as_administrators_set_them(
        self, ada, session, zoe, approver
    ):
        promote(approver)
        made = flows.publication_entitlement(organisation=ada.user.organisation, now=clock.now())
        both = replace(
            USUAL,
            stages=[StageLine([ApproverLine(administrators=True)], approvals_needed=2)],
            thresholds=[{"approve": 2, "deny": 1}],
        )
        flows.update_entitlement(entitlement=made, offer=both, now=clock.now(), actor=zoe.user)
        asked = ask(written(ada), ada, session)

        assert access.approve(asked, zoe).state == State.APPROVAL_AWAITED
        assert access.approve(asked, approver).state == State.SCHEDULED

    def test_a_denial_ends_it(self, asked, zoe, version, ada, session):
        assert access.deny(asked, zoe).state == State.DENIED
        with pytest.raises(Refusal, match="denied"):
            publish_by(version, asked, ada, session)

    def test_it_expires_unanswered_and_unpublished(self, asked, zoe, version, ada, later):
        later(days=3)
        with pytest.raises(Refusal, match="too late"):
            access.approve(asked, zoe)
        assert access.fresh(asked).state == State.EXPIRED

    def test_it_is_not_answered_once_something_else_counts(self, asked, version, zoe, approver):
        publish(version=written(zoe, "# Days\n"), publisher=promote(approver).user)

        with pytest.raises(Refusal, match="was changed since"):
            access.approve(asked, zoe)


class TestPublishing:
    def test_whoever_asked_does_it_and_it_is_written_down(self, agreed, version, ada, zoe, session):
        publication = publish_by(version, agreed, ada, session)

        assert engine.revision() == version.revision
        assert (publication.publisher, publication.approval_id) == (ada.user, agreed.pk)
        assert access.kinds(agreed) == ["requested", "answered", "approved", "published"]
        done = access.fresh(agreed)
        assert (done.state, done.end_cause, done.activated_at) == (
            State.PUBLISHED,
            "published",
            None,
        )
        assert done.ended_at is not None
        event = AuditEvent.objects.get(event="access.grant.published")
        assert event.facts["revision"] == version.revision
        assert AuditEvent.objects.get(event="policy.version.published").session_id == session.pk

    def test_it_is_done_once(self, agreed, version, ada, session):
        publish_by(version, agreed, ada, session)
        roll_back(publisher=ada.user, reason="It locks us out", now=clock.now())

        with pytest.raises(Refusal, match="published by now"):
            publish_by(version, agreed, ada, session)
        assert engine.revision() == engine.shipped().revision

    def test_nobody_else_does_it_not_even_who_agreed(self, agreed, version, zoe, approver):
        for person in (zoe, promote(approver)):
            with pytest.raises(Refusal, match="agree to this version"):
                publish_by(version, agreed, person, session_of(person.user))
        assert not Publication.objects.exists()

    def test_not_before_it_was_agreed_to(self, asked, version, ada, session):
        with pytest.raises(Refusal, match="waiting for approval"):
            publish_by(version, asked, ada, session)

    def test_not_in_a_session_by_a_password_alone(self, agreed, version, ada):
        with pytest.raises(Refusal) as refused:
            publish_by(version, agreed, ada, access.session_of(ada, acr="aal1"))
        assert refused.value.code == "insufficient_user_authentication"

    def test_not_in_somebody_elses_session(self, agreed, version, ada, zoe):
        with pytest.raises(Refusal):
            publish_by(version, agreed, ada, session_of(zoe.user))

    def test_not_after_its_time(self, agreed, version, ada, session, later):
        later(days=1)

        with pytest.raises(Refusal, match="too late"):
            publish_by(version, agreed, ada, session)

    def test_it_begins_nothing(self, agreed, ada, session):
        with pytest.raises(Refusal, match="gives nothing by itself"):
            access.activate(agreed, ada, session)

    def test_withdrawn_it_publishes_nothing(self, agreed, version, ada, session):
        assert flows.cancel_grant(grant=agreed, requester=ada.user, now=clock.now())

        with pytest.raises(Refusal, match="withdrawn"):
            publish_by(version, agreed, ada, session)

    def test_revoked_it_publishes_nothing(self, agreed, version, ada, zoe, session):
        flows.revoke_grant(grant=agreed, actor=zoe.user, reason="A mistake", now=clock.now())

        with pytest.raises(Refusal, match="revoked"):
            publish_by(version, agreed, ada, session)

    @pytest.mark.parametrize("flag", ["is_staff", "is_superuser", "is_active"])
    @pytest.mark.parametrize("who", ["ada", "zoe"])
    def test_not_once_either_of_them_may_no_longer(
        self, agreed, version, ada, zoe, session, who, flag
    ):
        person = {"ada": ada, "zoe": zoe}[who]
        User.unscoped.filter(pk=person.user.pk).update(**{flag: False})

        with pytest.raises(Refusal):
            publish_by(version, agreed, ada, session)
        assert not Publication.objects.exists()

    @pytest.mark.parametrize("who", ["ada", "zoe"])
    def test_not_while_either_of_them_is_locked(self, agreed, version, ada, zoe, session, who):
        person = {"ada": ada, "zoe": zoe}[who]
        lock = accounts.place_lock(
            organisation_id=person.user.organisation_id, target_type=LockTarget.USER,
            target=str(person.user.pk), reason="odd", now=clock.now(),
        )  # fmt: skip

        with pytest.raises(Refusal):
            publish_by(version, agreed, ada, session)
        assert not Publication.objects.exists()

        if who == "zoe":
            accounts.lift_lock(lock=lock, now=clock.now())
            assert publish_by(version, agreed, ada, session)

    def test_not_while_the_request_itself_is_locked(self, agreed, version, ada, session):
        accounts.place_lock(
            organisation_id=ada.user.organisation_id, target_type=LockTarget.GRANT,
            target=str(agreed.pk), reason="odd", now=clock.now(),
        )  # fmt: skip

        with pytest.raises(Refusal, match="is locked"):
            publish_by(version, agreed, ada, session)

    def test_not_once_something_else_counts(self, agreed, version, ada, zoe, approver, session):
        """What others agreed to was held against what counted then."""
        publish(version=written(zoe, "# Days\n"), publisher=promote(approver).user)

        with pytest.raises(Refusal, match="was changed since"):
            publish_by(version, agreed, ada, session)
        assert Publication.objects.count() == 1

    def test_not_where_two_of_them_turn_out_to_be_one(self, agreed, version, ada, zoe, session):
        link_accounts(user=ada.user, other=zoe.user, now=clock.now())

        with pytest.raises(Refusal, match="the person that it is for"):
            publish_by(version, agreed, ada, session)

    def test_its_terms_are_never_changed(self, agreed, version, zoe):
        other = written(zoe, "# Days\n")

        for column, value in (("policy_version_id", other.pk), ("terms", "{}")):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                connection.cursor().execute(
                    f"UPDATE access_grant SET {column} = %s WHERE id = %s", [value, agreed.pk]
                )


class TestTheTerms:
    def test_two_people_are_enough_where_nobody_has_set_any(self, agreed):
        found = entitlement()

        assert agreed.state == State.SCHEDULED
        assert (found.max_pending, found.required_acr) == (timedelta(days=3), "aal2")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"stages": ()}, "needs a stage"),
            ({"break_glass_duration": timedelta(hours=1)}, "no emergency"),
            ({"approval_window": timedelta(hours=1)}, "agreed to each time"),
            ({"ticket_webhook": "https://tickets.example/"}, "not asked about policy"),
            ({"kind": Kind.ROLES}, "never changed"),
        ],
        ids=lambda value: value if isinstance(value, str) else next(iter(value)),
    )
    def test_somebody_always_has_to_agree(self, acme, zoe, change, words):
        made = flows.publication_entitlement(organisation=acme, now=clock.now())

        with pytest.raises(Refusal, match=words):
            flows.update_entitlement(
                entitlement=made, offer=replace(USUAL, **change), now=clock.now(), actor=zoe.user
            )

    def test_it_gives_no_roles_and_names_no_one_eligible(self, acme, employee):
        made = flows.publication_entitlement(organisation=acme, now=clock.now())

        with pytest.raises(Refusal, match="gives no roles"):
            flows.update_entitlement(
                entitlement=made, offer=replace(USUAL, roles=[access.role(acme, "x")]),
                now=clock.now(),
            )  # fmt: skip
        with pytest.raises(Refusal, match="may ask, and no other"):
            flows.add_eligibility(entitlement=made, user=employee.user, now=clock.now())

    def test_it_is_never_retired_and_there_is_one(self, acme):
        made = flows.publication_entitlement(organisation=acme, now=clock.now())

        with pytest.raises(Refusal, match="say who"):
            flows.retire_entitlement(entitlement=made, now=clock.now())
        with pytest.raises(Refusal, match="to publish policy already"):
            flows.create_entitlement(
                organisation=acme, name="another", offer=USUAL, now=clock.now()
            )
        assert flows.publication_entitlement(organisation=acme, now=clock.now()) == made

    def test_administrators_of_one_organisation_do_not_set_them(self, acme, approver):
        made = flows.publication_entitlement(organisation=acme, now=clock.now())

        with pytest.raises(Refusal, match="every organisation"):
            flows.update_entitlement(
                entitlement=made, offer=USUAL, now=clock.now(), actor=approver.user
            )

    def test_for_roles_no_stage_names_administrators(self, acme):
        with pytest.raises(Refusal, match="for policy alone"):
            access.entitlement(acme, stages=[StageLine([ApproverLine(administrators=True)])])

    def test_what_waits_is_withdrawn_when_they_change(self, asked, zoe):
        flows.update_entitlement(
            entitlement=entitlement(), offer=replace(USUAL, approver_reason_required=True),
            now=clock.now(), actor=zoe.user,
        )  # fmt: skip

        assert access.fresh(asked).state == State.CANCELLED

    def test_the_kind_is_kept_by_the_database(self, acme, asked, ada):
        roles = access.entitlement(acme, name="db-admin")
        with pytest.raises(Exception, match="never changed"), transaction.atomic():
            Entitlement.unscoped.filter(pk=roles.pk).update(kind=Kind.PUBLICATION)
        values = {
            name: getattr(asked, name)
            for name in (
                "organisation", "entitlement_version", "requester", "state", "duration", "terms",
                "terms_digest", "starts_at", "requested_at", "pending_until", "stage_since",
            )
        }  # fmt: skip
        with pytest.raises(IntegrityError, match="or for one version"), transaction.atomic():
            Grant.objects.create(**values, entitlement=roles, policy_version=asked.policy_version)
        with pytest.raises(IntegrityError, match="or for one version"), transaction.atomic():
            Grant.objects.create(**values, entitlement=entitlement())
