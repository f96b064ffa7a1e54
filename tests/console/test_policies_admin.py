"""Administrators of every organisation write drafts, see what they would change, and publish."""

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from core import clock
from policy import engine
from policy.decision_log import DecisionLog
from policy.flows import publish_version, write_version
from policy.journal import About
from policy.models import PolicyVersion, Publication
from tests import cast
from tests.policy.test_decisions import GOOD
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
    assert "Its tests fail: it cannot be published." in page or "Somebody else publishes" in page
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


def test_somebody_else_publishes_and_one_goes_back(administrator, draft):
    administrator.post(f"{LIST}{draft.pk}/publish/")
    assert engine.revision() == draft.revision
    assert f'<strong id="counts">{draft.revision}' in text(administrator.get(LIST))

    administrator.post(f"{LIST}rollback/")
    assert engine.revision() == engine.shipped().revision
    assert "(back)" in text(administrator.get(LIST))


def test_nobody_publishes_what_they_wrote(client, author, draft):
    cast.sign_in(client, author)
    assert "Somebody else publishes what you wrote." in text(
        client.get(f"{LIST}{draft.pk}/change/")
    )
    before = snapshot()
    page = text(client.post(f"{LIST}{draft.pk}/publish/", follow=True))

    assert "Somebody else publishes what you wrote." in page
    assert changed(before) == []


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


def test_a_simulation_runs_by_post_alone(administrator, stricter, log):
    engine.decide(GOOD, about=About(None, None, "web"))
    log.flush()

    assert administrator.get(f"{LIST}{stricter.pk}/simulate/").context["report"] is None
    assert "would be" not in text(
        administrator.post(f"{LIST}{stricter.pk}/simulate/", {"days": "9999"})
    )


@pytest.mark.parametrize("path", ["publish/", "rollback/"])
def test_a_link_publishes_nothing(administrator, draft, path):
    before = snapshot()
    where = f"{LIST}{draft.pk}/{path}" if path == "publish/" else f"{LIST}{path}"

    assert administrator.get(where).status_code == 405
    assert changed(before) == []


def test_staff_of_one_organisation_neither_see_nor_run_any_of_it(client, approver, stricter):
    """A144: whoever may read decisions reaches nothing that checks, tries or publishes rules."""
    cast.sign_in(client, approver)
    before = snapshot()
    paths = ("", "add/", f"{stricter.pk}/change/", f"{stricter.pk}/history/",
             f"{stricter.pk}/simulate/", f"{stricter.pk}/publish/", "rollback/")  # fmt: skip
    for path in paths:
        for method in (client.get, client.post):
            answer = method(f"{LIST}{path}", {"days": "1", **sent(STRICTER)})
            assert answer.status_code == 403, path

    assert changed(before) == []
    assert "policyversion" not in text(client.get("/admin/"))


def test_a_published_version_is_not_lost_from_the_list(administrator, draft, author, acme):
    publish_version(version=draft, publisher=of_all("zoe@acme.example", acme).user, now=clock.now())
    page = text(administrator.get(LIST))

    assert "counts now" in page
    assert author.email in page
