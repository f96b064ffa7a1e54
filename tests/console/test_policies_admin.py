"""Administrators of every organisation write drafts, see what they would change, and publish."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from access.models import Entitlement, Grant
from core import clock
from policy import engine
from policy.decision_log import DecisionLog
from policy.flows import write_version
from policy.journal import About
from policy.models import PolicyVersion, Publication
from policy.simulation import simulate
from tests import cast
from tests.policy.test_decisions import GOOD
from tests.support.publishing import agreed, ask, publish, session_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

LIST = "/admin/policy/policyversion/"
SHIPPED = {path.name: path.read_text() for path in sorted(settings.POLICY_DIR.glob("*.rego"))}
RULE = 'reasons contains "weak" if input.session.level < 3\n'
STRICTER = SHIPPED | {"session.rego": SHIPPED["session.rego"] + RULE}


def of_all(email, acme):
    return cast.person(email, acme, totp=True, is_staff=True, is_superuser=True)


@pytest.fixture
def author(acme):
    return of_all("ada@acme.example", acme)


@pytest.fixture
def administrator(client, acme):
    cast.sign_in(client, of_all("olga@acme.example", acme))
    return client


@pytest.fixture
def draft(author):
    return write_version(
        author=author.user, modules=SHIPPED | {"session.rego": SHIPPED["session.rego"] + "# x\n"},
        note="A comment", now=clock.now(),
    )  # fmt: skip


@pytest.fixture
def stricter(author):
    """Its rules differ; it brings no tests, of which some would fail."""
    modules = {name: text for name, text in STRICTER.items() if "_test" not in name}
    return write_version(author=author.user, modules=modules, note="Two factors", now=clock.now())


@pytest.fixture
def log(monkeypatch):
    found = DecisionLog()
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", found)
    return found


def text(answer):
    return " ".join(answer.content.decode().split())


def sent(modules, **said):
    return {f"file:{name}": body for name, body in modules.items()} | {"note": "Two"} | said


def test_the_editor_begins_with_what_counts_and_its_tests(administrator):
    form = administrator.get(f"{LIST}add/").context["form"]

    assert {name.removeprefix("file:"): form[name].value() for name in form.fields
            if name.startswith("file:")} == SHIPPED  # fmt: skip


def test_a_draft_is_kept_with_the_result_of_its_tests(administrator):
    answer = administrator.post(f"{LIST}add/", sent(STRICTER))

    made = PolicyVersion.objects.get()
    assert answer["Location"] == f"{LIST}{made.pk}/change/"
    assert made.modules == STRICTER
    assert made.author.email == "olga@acme.example"
    page = text(administrator.get(answer["Location"]))
    assert "Draft." in page
    assert "Its tests fail: it cannot be published." in page
    assert "+reasons contains &quot;weak&quot;" in page
    assert not Publication.objects.exists()


def test_a_check_keeps_nothing_and_tells_of_tests_that_fail(administrator):
    before = snapshot()
    page = text(administrator.post(f"{LIST}add/", sent(STRICTER, check="1")))

    assert "tests fail" in page
    assert "session_test.rego:" in page
    assert changed(before) == []


@pytest.mark.parametrize("button", ["check", "keep"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("reasons contains x if {\n\tinput.\n}\n", "response.rego:"),
        ('x := http.send({"url": "https://evil.example"})\n', "http.send is not for rules"),
        ("x := nonsense(1)\n", "could not find function nonsense"),
    ],
    ids=["it does not compile", "it reaches out", "it calls what is not there"],
)
def test_what_is_wrong_is_said_at_its_file_with_the_line(administrator, body, words, button):
    before = snapshot()
    spoilt = SHIPPED["response.rego"] + body
    answer = administrator.post(
        f"{LIST}add/", sent(SHIPPED | {"response.rego": spoilt}) | {button: "1"}
    )

    (error,) = answer.context["form"].errors["file:response.rego"]
    line = int(error.split(":")[1])
    assert words in error
    assert line > SHIPPED["response.rego"].count("\n")
    assert changed(before) == []


def test_files_are_brought_added_and_left_out(administrator):
    brought = SimpleUploadedFile("response.rego", SHIPPED["response.rego"].encode() + b"# mine\n")
    fields = sent(SHIPPED | {"authzen.rego": "", "authzen_test.rego": ""})
    fields |= {"new_name": "more.rego", "new_text": "package sallyport.more\r\n\r\nyes := true\r\n"}
    administrator.post(f"{LIST}add/", fields | {"brought": brought})

    modules = PolicyVersion.objects.get().modules
    assert modules["response.rego"].endswith("# mine\n")
    assert modules["more.rego"] == "package sallyport.more\n\nyes := true\n"
    assert "authzen.rego" not in modules


@pytest.mark.parametrize("name", ["../../etc/x.rego", "x.py", "X.rego"])
def test_a_file_of_another_kind_is_refused(administrator, name):
    fields = sent(SHIPPED, new_name=name, new_text="package sallyport.x\n")

    assert administrator.post(f"{LIST}add/", fields).status_code == 200
    assert not PolicyVersion.objects.exists()


@pytest.fixture
def olga(acme):
    return of_all("olga@acme.example", acme)


def test_it_is_asked_for_agreed_to_published_and_one_goes_back(client, author, olga, draft):
    theirs = Browser()
    cast.sign_in(client, author)
    cast.sign_in(theirs, olga)
    page = f"{LIST}{draft.pk}/"
    assert f'href="{page}ask/"' in text(client.get(f"{page}change/"))

    form = text(client.get(f"{page}ask/"))
    assert "olga@acme.example" in form
    assert "ada@acme.example" not in form[form.index('id="who"') : form.index('id="rules"')]
    looked = client.post(f"{page}ask/", {"step": "look", "reason": "Nights"})
    assert "nothing was asked yet" in text(looked)
    assert not Grant.unscoped.exists()
    asked = client.post(f"{page}ask/", {"step": "ask", "reason": "Nights", "days": "7"})
    grant = Grant.unscoped.get()
    assert asked["Location"] == f"/access/grants/{grant.pk}/"
    waits = text(client.get(asked["Location"]))
    assert "Waiting for approval" in waits
    assert "These may answer: olga@acme.example" in waits

    inbox = text(theirs.get("/access/inbox/"))
    assert f"/access/grants/{grant.pk}/" in inbox
    case = text(theirs.get(f"/access/grants/{grant.pk}/"))
    for words in (
        f'asks to publish <span class="break">{draft.revision}',
        "+# x",
        "Nights",
        "Written by</dt><dd>ada@acme.example",
        "<strong>0 would be others</strong>",
        "Its tests: ",
        "Your yes is enough",
    ):
        assert words in case, words
    theirs.post(f"/access/grants/{grant.pk}/answer/", {"decision": "approve"})

    ready = text(client.get(f"/access/grants/{grant.pk}/"))
    assert f'action="{page}publish/"' in ready
    assert 'id="publish"' in text(client.get(f"{page}change/"))
    client.post(f"{page}publish/")
    assert engine.revision() == draft.revision
    assert f'<strong id="counts">{draft.revision}' in text(client.get(LIST))
    assert "What was approved was published, once." in text(
        client.get(f"/access/grants/{grant.pk}/")
    )

    client.post(f"{LIST}rollback/", {"reason": "It locks us out"})
    assert engine.revision() == engine.shipped().revision
    assert "(back: It locks us out)" in text(client.get(LIST))


def test_publishing_asks_for_a_recent_proof_and_comes_back(client, author, draft, later):
    agreed(draft, author.user)
    cast.sign_in(client, author)
    later(minutes=11)

    answer = client.post(f"{LIST}{draft.pk}/publish/")

    assert answer["Location"].startswith("/step-up/")
    assert quote(f"{LIST}{draft.pk}/publish/", safe="") in answer["Location"]
    assert not Publication.objects.exists()


def test_nobody_publishes_without_asking_or_before_others_have_agreed(client, author, draft, olga):
    cast.sign_in(client, author)
    before = snapshot()
    page = text(client.post(f"{LIST}{draft.pk}/publish/", follow=True))

    assert "Somebody else has to agree to this version first." in page
    assert changed(before) == []
    client.post(f"{LIST}{draft.pk}/ask/", {"step": "ask", "reason": "Nights"})
    client.post(f"{LIST}{draft.pk}/publish/")
    assert not Publication.objects.exists()


def test_asking_says_what_is_missing(client, author, draft):
    cast.sign_in(client, author)
    page = text(client.get(f"{LIST}{draft.pk}/ask/"))
    assert "nobody, as things stand" in page

    answer = client.post(f"{LIST}{draft.pk}/ask/", {"step": "ask", "reason": ""})

    assert "Please give a reason." in text(answer)
    assert not Grant.unscoped.exists()


@pytest.mark.parametrize("reason", ["", "  "])
def test_going_back_says_why(administrator, author, draft, reason):
    publish(version=draft, publisher=author.user)

    administrator.post(f"{LIST}rollback/", {"reason": reason})

    assert engine.revision() == draft.revision


def test_who_has_to_agree_is_set_on_a_page_of_entitlements(administrator, approver):
    answer = administrator.post(f"{LIST}agreement/")
    made = Entitlement.unscoped.get(kind="publication")
    assert answer["Location"] == f"/admin/access/entitlement/{made.pk}/change/"
    page = administrator.get(answer["Location"])
    assert "roles" not in page.context["editor"].form.fields
    assert page.context["editor"].stages[0]["approvers"].value() == "administrators"

    fields = {
        "description": "Rules", "max_pending": "2d", "activation_window": "4h",
        "required_acr": "phr", "required_tier": "0", "reason_required": "on",
        "thresholds": "[]", "stage1-approvers": "administrators\nbob@acme.example",
        "stage1-approvals_needed": "2",
    } | {f"stage{number}-approvals_needed": "1" for number in range(2, 6)}  # fmt: skip
    preview = administrator.post(answer["Location"], fields | {"preview": "1"})
    assert [person.email for person in preview.context["preview"].stages[0].approvers] == [
        "olga@acme.example"
    ]
    saved = administrator.post(answer["Location"], fields)
    made.refresh_from_db()
    assert (saved.status_code, made.version, made.required_acr) == (302, 2, "phr")
    none = administrator.post(
        answer["Location"], fields | {"stage1-approvers": "", "stage1-approvals_needed": "1"}
    )
    assert "A policy needs a stage that says who agrees to it." in text(none)


def test_staff_of_one_organisation_do_not_set_who_has_to_agree(client, approver, author, draft):
    agreed(draft, author.user)
    made = Entitlement.unscoped.get(kind="publication")
    cast.sign_in(client, approver)
    page = f"/admin/access/entitlement/{made.pk}/change/"
    fields = {
        "max_pending": "2d", "activation_window": "4h", "required_tier": "0", "thresholds": "[]",
        "stage1-approvers": "bob@acme.example",
    } | {f"stage{number}-approvals_needed": "1" for number in range(1, 6)}  # fmt: skip

    answer = client.post(page, fields)

    assert "Policy is for administrators of every organisation." in text(answer)
    made.refresh_from_db()
    assert made.version == 1


def test_its_text_is_shown_to_none_but_administrators_by_two_factors(
    client, approver, author, draft, olga
):
    grant = ask(draft, author, session_of(author.user))
    url = f"/access/grants/{grant.pk}/"
    cast.sign_in(client, approver)
    assert client.get(url).status_code == 404
    cast.sign_in(client, olga, acr="aal1")
    page = text(client.get(url))
    assert "+# x" not in page
    assert "prove two factors first" in page


def test_a_simulation_tells_whom_it_would_change(administrator, employee, stricter, log):
    for client in ("web", "web", "spa"):
        engine.decide(GOOD, about=About(employee.user.pk, None, client))
    log.flush()
    before = snapshot()
    answer = administrator.post(f"{LIST}{stricter.pk}/simulate/", {"days": "7"})

    page = text(answer)
    assert "<strong>3 would be others</strong>" in page
    assert answer.context["counted"].by_user == [(employee.email, 3)]
    assert answer.context["counted"].by_client == [("web", 2), ("spa", 1)]
    assert answer.context["counted"].by_change == [("allow", "deny", 3)]
    assert "deny: weak" in page
    assert changed(before) == []


def test_a_simulation_that_took_too_long_says_how_far_it_got(
    administrator, stricter, log, monkeypatch
):
    engine.decide(GOOD, about=About(None, None, "web"))
    log.flush()
    monkeypatch.setattr("policy.simulation.LIMIT_SECONDS", 0)

    page = text(administrator.post(f"{LIST}{stricter.pk}/simulate/", {"days": "7"}))

    assert "Of 0 answers" in page
    assert "It was cut short</strong>: its time was over." in page


def test_whoever_answers_is_told_that_it_was_cut_short(
    client, stricter, author, olga, log, monkeypatch
):
    engine.decide(GOOD, about=About(None, None, "web"))
    log.flush()
    monkeypatch.setattr("policy.simulation.LIMIT_SECONDS", 0)
    now = clock.now()
    report = simulate(stricter, since=now - timedelta(days=7), until=now)

    grant = ask(stricter, author, session_of(author.user), simulation=report)

    cast.sign_in(client, olga)
    assert "cut short: the rules took too long" in text(client.get(f"/access/grants/{grant.pk}/"))


def test_a_simulation_runs_by_post_alone(administrator, stricter, log):
    engine.decide(GOOD, about=About(None, None, "web"))
    log.flush()

    assert administrator.get(f"{LIST}{stricter.pk}/simulate/").context["report"] is None
    assert "would be" not in text(
        administrator.post(f"{LIST}{stricter.pk}/simulate/", {"days": "9999"})
    )


@pytest.mark.parametrize(
    ("path", "status"), [("publish/", 302), ("ask/", 200), ("rollback/", 405), ("agreement/", 405)]
)
def test_a_link_publishes_nothing(client, author, draft, path, status):
    agreed(draft, author.user)
    cast.sign_in(client, author)
    before = snapshot()
    where = f"{LIST}{draft.pk}/{path}" if status < 400 else f"{LIST}{path}"

    assert client.get(where).status_code == status
    assert changed(before) == []


def test_staff_of_one_organisation_neither_see_nor_run_any_of_it(client, approver, stricter):
    """A144: whoever may read decisions reaches nothing that checks, tries or publishes rules."""
    cast.sign_in(client, approver)
    before = snapshot()
    paths = ("", "add/", f"{stricter.pk}/change/", f"{stricter.pk}/history/",
             f"{stricter.pk}/simulate/", f"{stricter.pk}/publish/", f"{stricter.pk}/ask/",
             "rollback/", "agreement/")  # fmt: skip
    for path in paths:
        for method in (client.get, client.post):
            answer = method(f"{LIST}{path}", {"days": "1", **sent(STRICTER)})
            assert answer.status_code == 403, path

    assert changed(before) == []
    assert "policyversion" not in text(client.get("/admin/"))


def test_a_published_version_is_not_lost_from_the_list(administrator, draft, author, acme):
    publish(version=draft, publisher=of_all("zoe@acme.example", acme).user)
    page = text(administrator.get(LIST))

    assert "counts now" in page
    assert author.email in page
