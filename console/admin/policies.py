"""Administration of the rules that decide: versions, drafts, and what a draft would change.

Policy is one for all organisations, so that only who administers all of them sees to it. Who that
is stands on the account, and nothing that was won for a while leads to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from access import flows
from access.explaining import explain_publication
from access.limits import REQUESTS
from access.models import MAX_REASON_LENGTH, MAX_TICKET_LENGTH, Grant
from access.proofs import (
    asks_step_up,
    before_deciding,
    keep_draft,
    session_of,
    take_draft,
    to_step_up,
)
from access.shown import ShownGrant, show_all
from accounts.models import User
from core import clock
from core.errors import Refusal
from core.limits import spend
from policy import checking, engine
from policy.checking import MAX_FILES, MAX_SIZE, Fault, Verdict
from policy.comparing import differences, modules_that_count, shipped_modules
from policy.flows import MAX_NOTE_LENGTH, publish_version, roll_back, write_version
from policy.models import PolicyVersion, Publication
from policy.simulation import Report, simulate

SHIPPED = "shipped"
MOST_DAYS, MOST_DECISIONS = 14, 5_000
MOST_NAMED = 20


class DaysForm(forms.Form):
    days = forms.IntegerField(min_value=1, max_value=MOST_DAYS, initial=7, label="Over the last")


class AskForm(forms.Form):
    """Why it shall count; what it would change is told to whoever answers."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Whoever answers reads this, and it is kept.",
    )
    ticket = forms.CharField(max_length=MAX_TICKET_LENGTH, required=False)
    days = forms.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        required=False,
        label="Simulate over the last (days)",
        help_text="Whoever answers sees what would have been answered otherwise; empty: nothing.",
    )


class DraftForm(forms.Form):
    """Files of rules, each in a field of its own, one that is new, and any that are brought.

    A file that is brought takes the place of one of its name; one whose field is empty goes.
    """

    note = forms.CharField(
        max_length=MAX_NOTE_LENGTH, label="What changes", widget=forms.TextInput(attrs={"size": 60})
    )

    def __init__(self, data: Any, files: Any, *, start: Mapping[str, str]) -> None:
        super().__init__(data, files)
        names = list(start) if data is None else [*start, *_named_in(data, start)]
        self.texts: dict[str, str] = {}
        for name in names[:MAX_FILES]:
            self.fields[f"file:{name}"] = forms.CharField(
                label=name,
                required=False,
                strip=False,
                initial=start.get(name, ""),
                max_length=MAX_SIZE,
                widget=forms.Textarea(attrs={"rows": 14, "cols": 100, "spellcheck": "false"}),
            )
        self.fields["new_name"] = forms.RegexField(
            checking.NAME,
            required=False,
            label="Name of another file",
            help_text="Like contractors.rego, or contractors_test.rego for its tests.",
        )
        self.fields["new_text"] = forms.CharField(
            required=False,
            strip=False,
            label="Its text",
            max_length=MAX_SIZE,
            widget=forms.Textarea(attrs={"rows": 6, "cols": 100, "spellcheck": "false"}),
        )
        self.fields["brought"] = _FilesField(
            required=False,
            label="Or bring files",
            help_text="Each takes the place of the one of its name.",
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        texts = {
            name.removeprefix("file:"): _plain(text)
            for name, text in values.items()
            if name.startswith("file:") and text and text.strip()
        }
        if values.get("new_name"):
            if values["new_name"] in texts:
                self.add_error("new_name", "There is a file of this name already.")
            texts[values["new_name"]] = _plain(values.get("new_text", ""))
        elif values.get("new_text", "").strip():
            self.add_error("new_name", "Name the file.")
        self.texts = texts | (values.get("brought") or {})
        return values

    def tell(self, faults: tuple[Fault, ...]) -> None:
        """Say each fault at the file that it is in, with its line."""
        for fault in faults:
            place: str | None = f"file:{fault.file}"
            if place not in self.fields:
                is_new = fault.file and fault.file == self.cleaned_data.get("new_name")
                place = "new_text" if is_new else "brought" if fault.file else None
            self.add_error(place, str(fault))


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    """Texts of Rego by name of the file."""

    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        texts: dict[str, str] = {}
        for file in data or []:
            super().clean(file, initial)
            if len(texts) >= MAX_FILES or file.size > MAX_SIZE:
                raise forms.ValidationError(f"At most {MAX_FILES} files of {MAX_SIZE} bytes.")
            if not checking.NAME.fullmatch(file.name):
                raise forms.ValidationError("A file is called like session.rego.")
            try:
                texts[file.name] = file.read().decode()
            except UnicodeDecodeError as error:
                raise forms.ValidationError(f"{file.name} is no text.") from error
        return texts


def _named_in(data: Any, start: Mapping[str, str]) -> list[str]:
    """Files that a page had beyond those that it started with."""
    names = [name.removeprefix("file:") for name in data if name.startswith("file:")]
    return sorted(
        name for name in dict.fromkeys(names) if name not in start and checking.NAME.fullmatch(name)
    )


def _plain(text: str) -> str:
    """As it is written to files: browsers send lines with a carriage return."""
    return text.replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class Row:
    """A version in the list. standing: a word about whether it counts."""

    version: PolicyVersion
    standing: str
    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a simulation counted, by what people know."""

    by_user: list[tuple[str, int]] = field(default_factory=list)
    by_client: list[tuple[str, int]] = field(default_factory=list)
    by_change: list[tuple[str, str, int]] = field(default_factory=list)
    samples: list[tuple[Any, str]] = field(default_factory=list)


@admin.register(PolicyVersion)
class PolicyVersionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For who administers every organisation."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_of_the_installation(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return _is_of_the_installation(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_of_the_installation(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<uuid:pk>/publish/", guard(self.publish), name="policy_publish"),
            path("<uuid:pk>/simulate/", guard(self.simulate), name="policy_simulate"),
            path("<uuid:pk>/ask/", guard(self.ask), name="policy_ask"),
            path("agreement/", guard(self.agreement), name="policy_agreement"),
            path("rollback/", guard(self.roll_back), name="policy_rollback"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Every version, which one counts, and what counted when."""
        _demand(request)
        current = _current()
        once = set(Publication.objects.values_list("version_id", flat=True))
        versions = PolicyVersion.objects.select_related("author").order_by("-created_at")
        return self._page(
            request,
            "list",
            title="Policy",
            current=current,
            shipped=engine.shipped().revision,
            counts=engine.revision(),
            rows=[_row(each, current, once) for each in versions],
            history=Publication.objects.select_related("version", "publisher", "author").order_by(
                "-published_at"
            )[:50],
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """A version: its tests, its text, and how it differs from what counts."""
        _demand(request)
        version = _version(object_id)
        current = _current()
        once = set(Publication.objects.values_list("version_id", flat=True))
        user: Any = request.user
        return self._page(
            request,
            "one",
            title=f"Policy {version}",
            version=version,
            row=_row(version, current, once),
            verdict=Verdict.from_document(version.check_result),
            files=sorted(version.modules.items()),
            differences=differences(modules_that_count(), version.modules),
            approved=flows.approved_for(version=version, publisher=user, now=clock.now()),
            requests=_requests(version),
            form=DaysForm(),
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """A version never changes: its page tells everything."""
        return self.change_view(request, object_id, extra_context=extra_context)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Write a draft: check as often as one likes, then keep it."""
        _demand(request)
        start = _texts(request.GET.get("from", ""))
        is_sent = request.method == "POST"
        form = DraftForm(
            request.POST if is_sent else None, request.FILES if is_sent else None, start=start
        )
        verdict: Verdict | None = None
        if is_sent and form.is_valid():
            verdict = checking.check(form.texts)
            if verdict.faults:
                form.tell(verdict.faults)
            elif "check" not in request.POST:
                try:
                    version = write_version(
                        author=_actor(request),
                        modules=form.texts,
                        note=form.cleaned_data["note"],
                        now=clock.now(),
                    )
                except Refusal as refusal:
                    form.add_error(None, refusal.detail)
                else:
                    self.message_user(request, f"Kept as {version}. Somebody else agrees to it.")
                    return redirect("admin:policy_policyversion_change", version.pk)
        return self._page(request, "draft", title="Write a draft", form=form, verdict=verdict)

    def simulate(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What a version would have answered otherwise. It takes a while: by POST alone."""
        _demand(request)
        version = _version(pk)
        form = DaysForm(request.POST if request.method == "POST" else None)
        report: Report | None = None
        if form.is_bound and form.is_valid():
            until = clock.now()
            try:
                report = simulate(
                    version,
                    since=until - timedelta(days=form.cleaned_data["days"]),
                    until=until,
                    limit=MOST_DECISIONS,
                )
            except Refusal as refusal:
                form.add_error(None, refusal.detail)
        return self._page(
            request,
            "simulation",
            title=f"What {version} would change",
            version=version,
            form=form,
            report=report,
            counted=_counted(report) if report else None,
        )

    def ask(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask others to agree: what would happen, as often as one likes, and then ask."""
        _demand(request)
        version, page = _version(pk), request.get_full_path()
        form = AskForm(
            request.POST if request.method == "POST" else None,
            initial=take_draft(request, page) if request.method != "POST" else None,
        )
        is_dry = request.POST.get("step") == "look"
        ahead: Grant | None = None
        if form.is_bound and form.is_valid():
            try:
                asked = _ask(request, version, form, is_dry=is_dry)
            except Refusal as refusal:
                if asks_step_up(refusal):
                    keep_draft(request, page, request.POST.dict())
                    return to_step_up(refusal, back=page)
                form.add_error(None, refusal.detail)
            else:
                if not is_dry:
                    self.message_user(request, "Asked. Those who may agree are told by email.")
                    return redirect("access:grant", asked.pk)
                ahead = asked
        said = form.cleaned_data if form.is_bound and form.is_valid() else {}
        return self._page(
            request,
            "ask",
            title=f"Ask to publish {version}",
            version=version,
            form=form,
            explained=explain_publication(
                version=version,
                user=_actor(request),
                session_id=session_of(request),
                reason=said.get("reason", ""),
                ticket=said.get("ticket", ""),
                now=clock.now(),
            ),
            ahead=ahead,
        )

    def publish(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Make a version count that somebody else has agreed to, after a proof of being there."""
        _demand(request)
        answer: HttpResponse = before_deciding(self._publish)(request, pk)
        return answer

    def _publish(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        version, user, now = _version(pk), _actor(request), clock.now()
        if request.method == "POST":
            try:
                approved = flows.approved_for(version=version, publisher=user, now=now)
                if approved is None:
                    raise Refusal.not_allowed("Somebody else has to agree to this version first.")
                publish_version(
                    version=version,
                    publisher=user,
                    approval_id=approved.pk,
                    session_id=session_of(request),
                    now=now,
                )
            except Refusal as refusal:
                self.message_user(request, refusal.detail, messages.ERROR)
            else:
                self.message_user(request, f"{version} counts from now on, everywhere.")
        return redirect("admin:policy_policyversion_change", version.pk)

    def roll_back(self, request: HttpRequest) -> HttpResponse:
        """One step back, by anybody who may, for a reason."""
        _demand(request, by_post=True)
        try:
            done = roll_back(
                publisher=_actor(request),
                reason=request.POST.get("reason", ""),
                session_id=session_of(request),
                now=clock.now(),
            )
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
        else:
            told = done.revision or "The shipped policy"
            self.message_user(request, f"{told} counts again, everywhere.")
        return redirect("admin:policy_policyversion_changelist")

    def agreement(self, request: HttpRequest) -> HttpResponse:
        """To the terms by which policy is published, made as usual where there are none yet."""
        _demand(request, by_post=True)
        entitlement = flows.publication_entitlement(
            organisation=_actor(request).organisation, now=clock.now()
        )
        return redirect("admin:access_entitlement_change", entitlement.pk)

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts} | context
        return TemplateResponse(request, f"admin/policy/policyversion/{name}.html", shown)


def _ask(request: HttpRequest, version: PolicyVersion, form: AskForm, *, is_dry: bool) -> Grant:
    said, now = form.cleaned_data, clock.now()
    user = _actor(request)
    spend(REQUESTS, str(user.pk), now=now)
    report: Report | None = None
    if said["days"] and not is_dry:
        since = now - timedelta(days=said["days"])
        report = simulate(version, since=since, until=now, limit=MOST_DECISIONS)
    return flows.ask_to_publish(
        version=version,
        requester=user,
        session_id=session_of(request),
        reason=said["reason"],
        ticket=said["ticket"],
        simulation=report,
        dry_run=is_dry,
        now=clock.now(),
    )


def _requests(version: PolicyVersion) -> list[ShownGrant]:
    """What was asked about a version, the latest first."""
    rows = Grant.unscoped.filter(policy_version=version).select_related("requester")
    return show_all(rows.order_by("-requested_at")[:MOST_NAMED], now=clock.now())


def _is_of_the_installation(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_staff and user.is_superuser)


def _demand(request: HttpRequest, *, by_post: bool = False) -> None:
    if not _is_of_the_installation(request):
        raise Refusal.not_allowed("Policy is for administrators of every organisation.")
    if by_post and request.method != "POST":
        raise Refusal("method_not_allowed", "This is done by a form.", 405, {"Allow": "POST"})


def _version(key: Any) -> PolicyVersion:
    try:
        found = PolicyVersion.objects.select_related("author").filter(pk=UUID(str(key))).first()
    except ValueError:
        found = None
    if found is None:
        raise Refusal.not_found()
    return found


def _current() -> Publication | None:
    return Publication.objects.select_related("version").filter(ended_at=None).first()


def _row(version: PolicyVersion, current: Publication | None, once: set[Any]) -> Row:
    verdict = Verdict.from_document(version.check_result)
    failed = len(verdict.failed)
    if current is not None and current.version_id == version.pk:
        standing = "counts now"
    else:
        standing = "counted before" if version.pk in once else "draft"
    return Row(version, standing, len(verdict.tests) - failed, failed)


def _texts(name: str) -> dict[str, str]:
    """The files to start from: of a version, or those that came with the program, with tests."""
    if name and name != SHIPPED:
        version = PolicyVersion.objects.filter(revision=name).first()
        if version is None:
            raise Refusal.not_found()
        return dict(sorted(version.modules.items()))
    return shipped_modules() if name else modules_that_count()


def _counted(report: Report) -> Counted:
    ids = [user_id for user_id in report.by_user if user_id]
    people = {user.pk: user.email for user in User.unscoped.filter(pk__in=ids)}
    return Counted(
        by_user=[
            (people.get(user_id, "nobody") if user_id else "nobody", count)
            for user_id, count in report.by_user.most_common(MOST_NAMED)
        ],
        by_client=[
            (client or "none", count) for client, count in report.by_client.most_common(MOST_NAMED)
        ],
        by_change=[
            (before, after, count) for (before, after), count in report.by_change.most_common()
        ],
        samples=[
            (change, people.get(change.one.about.user_id, "nobody"))
            if change.one.about.user_id
            else (change, "nobody")
            for change in report.samples
        ],
    )


def _actor(request: HttpRequest) -> User:
    user: Any = request.user
    return User.unscoped.get(pk=user.pk)
