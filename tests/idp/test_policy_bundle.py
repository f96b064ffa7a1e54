"""The policy that counts, for servers that follow it: who gets it, and what is in it."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from django.conf import settings
from joserfc import jws
from joserfc.jwk import ECKey

from accounts import flows as accounts
from accounts.models import LockTarget
from core import clock
from policy import engine, signing
from policy.flows import roll_back, write_version
from policy.models import PolicyKey, PolicyVersion
from tests import cast
from tests.support import oauth
from tests.support.authzen import gateway, token_of
from tests.support.publishing import publish

pytestmark = pytest.mark.django_db
PATH = "/policy/bundle.tar.gz"
SHIPPED = {path.name: path.read_text() for path in settings.POLICY_DIR.glob("*.rego")}
STRICTER = SHIPPED | {
    "session.rego": SHIPPED["session.rego"] + 'reasons contains "x" if input.trigger == "dbsc"\n'
}


@pytest.fixture
def follower(acme):
    return cast.client(
        "acme-opa", acme, grant_types=["client_credentials"], scopes=["policy:read", "other"]
    )


def fetch(token, *, method="GET", **environ):
    return oauth.send(method, PATH, authorization=f"Bearer {token}", **environ)


def unpacked(body):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_it_is_the_shipped_policy_where_nothing_is_published(follower):
    reply = fetch(token_of(follower))

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/gzip")
    files = unpacked(reply.body)
    assert json.loads(files[".manifest"]) == {
        "revision": engine.shipped().revision, "roots": ["sallyport"],
    }  # fmt: skip
    rules = {name: text.encode() for name, text in engine.shipped().modules}
    assert {name: files[name] for name in rules} == rules
    assert files.keys() == {*rules, ".manifest", ".signatures.json"}


def test_each_file_is_signed(follower):
    files = unpacked(fetch(token_of(follower)).body)

    (signature,) = json.loads(files.pop(".signatures.json"))["signatures"]
    key = ECKey.import_key(signing.public_key(now=clock.now()))
    claims = json.loads(jws.deserialize_compact(signature, key, algorithms=["ES256"]).payload)
    assert {each["name"]: each["hash"] for each in claims["files"]} == {
        name: hashlib.sha256(text).hexdigest() for name, text in files.items()
    }


def test_what_is_published_is_there_at_once_and_goes_at_once(follower, approver, employee, now):
    token = token_of(follower)
    version = write_version(author=approver.user, modules=STRICTER, note="x", now=now)

    publish(version=version, publisher=employee.user)
    published = unpacked(fetch(token).body)
    assert published["session.rego"].decode() == STRICTER["session.rego"]
    assert json.loads(published[".manifest"])["revision"] == version.revision
    stored = PolicyVersion.objects.get().signature
    assert json.loads(published[".signatures.json"]) == {"signatures": [stored]}

    roll_back(publisher=employee.user, reason="It locks us out", now=now)
    assert unpacked(fetch(token).body)["session.rego"].decode() == SHIPPED["session.rego"]


def test_one_that_has_it_already_gets_nothing(follower, approver, employee, now):
    token = token_of(follower)
    first = fetch(token)
    assert fetch(token).body == first.body

    again = fetch(token, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])

    version = write_version(author=approver.user, modules=STRICTER, note="x", now=now)
    publish(version=version, publisher=employee.user)
    changed = fetch(token, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (changed.status, changed.headers["ETag"] != first.headers["ETag"]) == (200, True)


def test_what_is_not_to_be_trusted_is_not_handed_out(follower, approver, employee, now):
    token = token_of(follower)
    version = write_version(author=approver.user, modules=STRICTER, note="x", now=now)
    publish(version=version, publisher=employee.user)
    PolicyKey.objects.all().delete()

    reply = fetch(token)

    assert (reply.status, reply.error) == (503, "temporarily_unavailable")


class TestWhoGetsIt:
    def test_nobody_without_a_token(self):
        reply = oauth.send("GET", PATH)

        assert (reply.status, reply.error) == (401, "invalid_token")
        assert 'scope="policy:read"' in reply.headers["WWW-Authenticate"]

    def test_nobody_without_the_scope(self, acme):
        reply = fetch(token_of(gateway(acme)))

        assert (reply.status, reply.error) == (403, "insufficient_scope")

    def test_no_client_that_was_stopped_or_locked(self, follower, acme):
        token = token_of(follower)
        assert fetch(token).status == 200
        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.CLIENT, target=follower.client_id,
            reason="lost", now=clock.now(),
        )  # fmt: skip

        assert fetch(token).status == 401

    def test_no_token_that_was_revoked(self, follower):
        token = token_of(follower)
        oauth.send(
            "POST", "/oauth/revoke", form={"token": token}, authorization=oauth.basic("acme-opa")
        )

        assert fetch(token).status == 401

    def test_only_by_reading(self, follower):
        assert fetch(token_of(follower), method="POST").status == 405
