"""A144: by what may be read, or tried out, somebody runs code, templates or calls that they may not.

Trying rules needs the right to set them, and a form; what is tried judges its input and no more.
"""

import pytest
from django.conf import settings

from core import clock
from policy import engine
from policy.decision_log import DecisionLog
from policy.flows import write_version
from policy.journal import About
from policy.models import Publication
from tests import cast
from tests.policy.test_decisions import GOOD
from tests.support import access
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

POLICY = "/admin/policy/policyversion/"
RULES = {
    path.name: path.read_text()
    for path in settings.POLICY_DIR.glob("*.rego")
    if not path.name.endswith("_test.rego")
}


def sent(**texts):
    files = RULES | {f"{name}.rego": text for name, text in texts.items()}
    return {f"file:{name}": text for name, text in files.items()} | {"note": "x", "check": "1"}


@pytest.fixture
def everywhere(acme):
    return cast.person("olga@acme.example", acme, totp=True, is_staff=True, is_superuser=True)


@pytest.fixture
def draft(employee, monkeypatch):
    """A version that would answer otherwise, and an answer to try it on."""
    log = DecisionLog()
    monkeypatch.setattr(log, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", log)
    engine.decide(GOOD, about=About(employee.user.pk, None, "web"))
    log.flush()
    weak = 'reasons contains "weak" if input.session.level < 3\n'
    return write_version(
        author=employee.user, modules=RULES | {"session.rego": RULES["session.rego"] + weak},
        note="x", now=clock.now(),
    )  # fmt: skip


def test_whoever_may_read_decisions_tries_no_rules(client, approver, draft):
    cast.sign_in(client, approver)
    assert client.get("/admin/policy/decisionbatch/").status_code == 200
    before = snapshot()

    for path, form in (
        ("add/", sent()), (f"{draft.pk}/simulate/", {"days": "7"}), (f"{draft.pk}/publish/", {}),
        ("rollback/", {}), (f"{draft.pk}/change/", {}),
    ):  # fmt: skip
        assert client.post(f"{POLICY}{path}", form).status_code == 403, path
        assert client.get(f"{POLICY}{path}", form).status_code == 403, path
    assert changed(before) == []


def test_a_link_tries_nothing(client, everywhere, draft):
    cast.sign_in(client, everywhere)
    page = client.get(f"{POLICY}{draft.pk}/simulate/", {"days": "7"})

    assert page.context["report"] is None
    assert client.post(f"{POLICY}{draft.pk}/simulate/", {"days": "7"}).context["report"].changed
    assert client.get(f"{POLICY}rollback/").status_code == 405
    # Whoever proves to be there is led back here, and then has to press the button again.
    led = client.get(f"{POLICY}{draft.pk}/publish/")
    assert led["Location"] == f"{POLICY}{draft.pk}/change/"
    assert not Publication.objects.exists()


@pytest.mark.parametrize(
    "rule",
    [
        'x := http.send({"method": "get", "url": "http://127.0.0.1:1/"})',
        "x := opa.runtime().env",
        'x := io.jwt.decode("a.b.c")',
        "x := data.sallyport.reasons with input as {}",
    ],
    ids=["a call", "the environment", "a token", "another input"],
)
def test_a_draft_that_reaches_out_is_not_even_compiled(client, everywhere, rule):
    cast.sign_in(client, everywhere)
    spoilt = RULES["response.rego"] + rule + "\n"
    answer = client.post(f"{POLICY}add/", sent(response=spoilt))

    assert "is not for rules" in answer.context["form"].errors["file:response.rego"][0]
    assert not answer.context["verdict"].tests


def test_a_preview_needs_what_saving_needs(client, globex, acme, approver, employee):
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    stranger = cast.person("m@globex.example", globex, totp=True, is_staff=True)
    cast.sign_in(client, stranger)
    before = snapshot()
    answer = client.post(f"/admin/access/entitlement/{offered.pk}/change/", {"preview": "1"})

    assert answer.status_code == 404
    assert b"alice@acme.example" not in answer.content
    assert changed(before) == []
