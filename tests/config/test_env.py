"""Settings that cannot be used refuse to start, with one clear line each."""

import base64
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from config import env
from config.env import Misconfigured, parse_keys, read_environment, setting_names

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = base64.b64encode(bytes(range(32))).decode()
STRONG = "t7Qm2bX9vR4kZ8sN1cW6yH3jL5pD0fGa-uE_iOoTrq"
TEST = {
    "SALLYPORT_ENVIRONMENT": "test",
    "SALLYPORT_SECRET_KEY": STRONG,
    "SALLYPORT_KEY_ENCRYPTION_KEYS": f"k1:{KEY}",
    "SALLYPORT_DATABASE_URL": "postgresql://app:pw@db/sallyport",
    "SALLYPORT_REDIS_URL": "redis://cache/0",
}
PRODUCTION = TEST | {
    "SALLYPORT_ENVIRONMENT": "production",
    "SALLYPORT_BASE_URL": "https://id.acme.example",
    "SALLYPORT_EMAIL__HOST": "mail.acme.example",
}


@pytest.fixture
def read(monkeypatch):
    """Read the settings from these variables alone."""

    def from_variables(variables):
        for name in list(os.environ):
            if name.startswith(env.PREFIX):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return read_environment()

    return from_variables


@pytest.fixture
def faults(read):
    """The lines with which a start is refused."""

    def of(variables):
        with pytest.raises(Misconfigured) as refused:
            read(variables)
        return str(refused.value).splitlines()

    return of


def without(variables, *names):
    return {name: value for name, value in variables.items() if name not in names}


class TestGoodSettings:
    def test_production_starts_with_what_it_needs(self, read):
        read_settings = read(PRODUCTION)

        assert read_settings.is_production
        assert read_settings.issuer == "https://id.acme.example"
        assert read_settings.signup == "invitation"

    def test_the_issuer_is_localhost_where_nothing_is_said(self, read):
        assert read(TEST | {"SALLYPORT_PORT": "8123"}).issuer == "http://localhost:8123"

    def test_lifetimes_are_durations(self, read):
        settings = read(
            TEST
            | {
                "SALLYPORT_LIFETIMES__ACCESS_TOKEN": "PT5M",
                "SALLYPORT_LIFETIMES__ID_TOKEN": "PT60S",
            }
        )

        assert settings.lifetimes.access_token == timedelta(minutes=5)
        assert settings.lifetimes.id_token == timedelta(minutes=1)

    def test_lists_are_json(self, read):
        settings = read(TEST | {"SALLYPORT_ALLOWED_HOSTS": '["a.example", "b.example"]'})

        assert settings.allowed_hosts == ["a.example", "b.example"]

    def test_defaults_are_those_that_are_promised(self, read):
        lifetimes = read(PRODUCTION).lifetimes

        assert lifetimes.access_token == timedelta(minutes=15)
        assert lifetimes.refresh_token == timedelta(days=7)
        assert lifetimes.refresh_retry_window == timedelta(seconds=10)

    def test_secrets_are_not_shown_when_printed(self, read):
        shown = repr(read(PRODUCTION))

        assert STRONG not in shown
        assert KEY not in shown
        assert "app:pw" not in shown


class TestFiles:
    @pytest.mark.parametrize(
        "name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "KEY_ENCRYPTION_KEYS"]
    )
    def test_any_value_may_stand_in_a_file(self, read, tmp_path, name):
        variable = f"SALLYPORT_{name}"
        file = tmp_path / "value"
        file.write_text(TEST[variable] + "\n")

        settings = read(without(TEST, variable) | {f"{variable}_FILE": str(file)})

        assert getattr(settings, name.lower()).get_secret_value() == TEST[variable]

    def test_a_secret_from_a_file_does_not_stay_in_the_environment(self, read, tmp_path):
        file = tmp_path / "value"
        file.write_text(STRONG)

        read(without(TEST, "SALLYPORT_SECRET_KEY") | {"SALLYPORT_SECRET_KEY_FILE": str(file)})

        assert "SALLYPORT_SECRET_KEY" not in os.environ

    def test_nested_ones_too(self, read, tmp_path):
        file = tmp_path / "value"
        file.write_text("hunter2")

        settings = read(TEST | {"SALLYPORT_EMAIL__PASSWORD_FILE": str(file)})

        assert settings.email.password.get_secret_value() == "hunter2"

    def test_both_at_once_are_refused(self, faults, tmp_path):
        file = tmp_path / "value"
        file.write_text("x")

        assert faults(TEST | {"SALLYPORT_REDIS_URL_FILE": str(file)}) == [
            "sallyport: SALLYPORT_REDIS_URL and SALLYPORT_REDIS_URL_FILE are both set: keep one"
        ]

    @pytest.mark.parametrize(
        ("make", "why"),
        [(lambda path: None, "No such file or directory"), (Path.mkdir, "Is a directory")],
    )
    def test_one_that_cannot_be_read_is_named(self, faults, tmp_path, make, why):
        path = tmp_path / "value"
        make(path)

        assert faults(
            without(TEST, "SALLYPORT_SECRET_KEY") | {"SALLYPORT_SECRET_KEY_FILE": str(path)}
        ) == [f"sallyport: SALLYPORT_SECRET_KEY_FILE: cannot read {path}: {why}"]

    def test_a_file_that_holds_no_text_is_named(self, faults, tmp_path):
        path = tmp_path / "value"
        path.write_bytes(b"\xff\xfe\x00")

        assert faults(
            without(TEST, "SALLYPORT_SECRET_KEY") | {"SALLYPORT_SECRET_KEY_FILE": str(path)}
        ) == [f"sallyport: SALLYPORT_SECRET_KEY_FILE: {path} is no UTF-8 text"]

    def test_an_empty_file_is_a_missing_value(self, faults, tmp_path):
        path = tmp_path / "value"
        path.write_text("\n")

        (line,) = faults(
            without(TEST, "SALLYPORT_SECRET_KEY") | {"SALLYPORT_SECRET_KEY_FILE": str(path)}
        )

        assert line.startswith("sallyport: SALLYPORT_SECRET_KEY is missing")


class TestRefusals:
    @pytest.mark.parametrize(
        "name",
        ["SALLYPORT_SECRETKEY", "SALLYPORT_EMAIL_HOST", "SALLYPORT_EMAIL__HOSTS", "SALLYPORT_DEBUG",
         "SALLYPORT_LIFETIMES__ACCES_TOKEN", "SALLYPORT_", "SALLYPORT_UNKNOWN_FILE"],
    )  # fmt: skip
    def test_a_name_nobody_knows(self, faults, tmp_path, name):
        value = str(tmp_path)
        if name.endswith("_FILE"):
            (tmp_path / "value").write_text("x")
            value = str(tmp_path / "value")

        assert faults(TEST | {name: value}) == [
            f"sallyport: {name.removesuffix('_FILE')} is not a setting of Sallyport"
        ]

    @pytest.mark.parametrize(
        "name",
        ["SALLYPORT_SECRET_KEY", "SALLYPORT_KEY_ENCRYPTION_KEYS", "SALLYPORT_DATABASE_URL",
         "SALLYPORT_REDIS_URL", "SALLYPORT_BASE_URL", "SALLYPORT_EMAIL__HOST"],
    )  # fmt: skip
    @pytest.mark.parametrize("how", ["missing", "empty"])
    def test_production_without_what_it_needs(self, faults, name, how):
        variables = without(PRODUCTION, name) if how == "missing" else PRODUCTION | {name: ""}

        assert faults(variables) == [f"sallyport: {name} is missing: set it, or {name}_FILE"]

    def test_nothing_said_is_production_and_every_fault_has_its_line(self, faults):
        lines = faults({})

        assert len(lines) == 6
        assert all(re.fullmatch(r"sallyport: SALLYPORT_\w+ is missing: .+", line) for line in lines)

    @pytest.mark.parametrize(
        "secret",
        ["changeme" * 5, "django-INSECURE-" + "x" * 40, "example-" * 6, "my-Secret-" + "k" * 30,
         "PassWord" * 5, "sample" * 7],
    )  # fmt: skip
    def test_a_sample_secret_in_production(self, faults, read, secret):
        assert faults(PRODUCTION | {"SALLYPORT_SECRET_KEY": secret}) == [
            "sallyport: SALLYPORT_SECRET_KEY is a sample value: make a random one"
        ]
        assert read(TEST | {"SALLYPORT_SECRET_KEY": secret})

    def test_a_short_secret_anywhere(self, faults):
        assert faults(TEST | {"SALLYPORT_SECRET_KEY": "x" * 31}) == [
            "sallyport: SALLYPORT_SECRET_KEY is shorter than 32 characters"
        ]

    @pytest.mark.parametrize(
        ("keys", "why"),
        [
            ("k1", "key k1 must be 32 bytes"),
            ("k1:", "key k1 must be 32 bytes"),
            (f":{KEY}", "key (no id) must be 32 bytes"),
            ("k1:AAAA", "key k1 must be 32 bytes"),
            ("k1:not base64!", "key k1 is not base64"),
            (f"k1:{KEY},k2:AAAA", "key k2 must be 32 bytes"),
            (f"k1:{KEY},k1:{KEY}", "key k1 is named twice"),
        ],
    )
    def test_key_encryption_keys_that_are_none(self, faults, keys, why):
        assert faults(TEST | {"SALLYPORT_KEY_ENCRYPTION_KEYS": keys}) == [
            f"sallyport: SALLYPORT_KEY_ENCRYPTION_KEYS: {why}"
        ]

    def test_a_sample_key_in_production(self, faults, read):
        sample = {"SALLYPORT_KEY_ENCRYPTION_KEYS": f"k1:{'A' * 43}="}

        assert faults(PRODUCTION | sample) == [
            "sallyport: SALLYPORT_KEY_ENCRYPTION_KEYS is a sample value: make a random one"
        ]
        assert read(TEST | sample)

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("http://id.acme.example", "must be an https address in production"),
            ("https://", "must be an https address in production"),
            ("id.acme.example", "must be an https address in production"),
            ("https://id.acme.example/", "must have no path and no trailing slash"),
            ("https://id.acme.example/sso", "must have no path and no trailing slash"),
        ],
    )
    def test_an_address_that_is_no_issuer(self, faults, url, why):
        assert f"sallyport: SALLYPORT_BASE_URL {why}" in faults(
            PRODUCTION | {"SALLYPORT_BASE_URL": url}
        )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SALLYPORT_PORT", "eighty"),
            ("SALLYPORT_TRUSTED_PROXY_COUNT", "-1"),
            ("SALLYPORT_TRUSTED_PROXY_COUNT", "99"),
            ("SALLYPORT_ENVIRONMENT", "prod"),
            ("SALLYPORT_SIGNUP", "everybody"),
            ("SALLYPORT_LOG_LEVEL", "loud"),
            ("SALLYPORT_EMAIL__PORT", "smtp"),
            ("SALLYPORT_LIFETIMES__ACCESS_TOKEN", "PT2H"),
            ("SALLYPORT_LIFETIMES__REFRESH_TOKEN", "P8D"),
            ("SALLYPORT_LIFETIMES__REFRESH_RETRY_WINDOW", "61"),
            ("SALLYPORT_LIFETIMES__AUTHORIZATION_CODE", "PT11M"),
            ("SALLYPORT_LIFETIMES__SESSION_IDLE", "soon"),
            ("SALLYPORT_ALLOWED_HOSTS", "id.acme.example"),
        ],
    )
    def test_a_value_of_the_wrong_kind_names_its_variable(self, faults, name, value):
        (line,) = faults(TEST | {name: value})

        assert line.startswith(f"sallyport: {name}")

    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("SALLYPORT_DATABASE_URL", "mysql://app:canary@db/sallyport", "postgresql"),
            ("SALLYPORT_DATABASE_URL", "canary", "postgresql"),
            ("SALLYPORT_REDIS_URL", "memcached://canary", "redis"),
            ("SALLYPORT_REDIS_URL", "/run/canary.sock", "redis"),
        ],
    )
    def test_a_server_of_another_kind(self, faults, name, value, wanted):
        assert faults(TEST | {name: value}) == [f"sallyport: {name} must begin with {wanted}://"]

    @pytest.mark.parametrize(
        "url",
        [
            "", "localhost:8181", "ftp://127.0.0.1", "http://127.0.0.1:8181/", "http://u:p@127.0.0.1",
            "http://127.0.0.1:0", "http://127.0.0.1:x", "http://127.0.0.1?x", "http://[::1",
        ],
    )  # fmt: skip
    def test_a_policy_server_without_a_plain_address(self, faults, url):
        variables = TEST | {
            "SALLYPORT_POLICY__ENGINE": "opa",
            "SALLYPORT_POLICY__OPA_URL": url,
        }

        (fault,) = faults(variables)
        assert fault.startswith(
            "sallyport: SALLYPORT_POLICY__OPA_URL must be http[s]://host[:port]"
        )

    @pytest.mark.parametrize(
        ("url", "is_safe"),
        [
            ("http://127.0.0.1:8181", True), ("http://localhost:8181", True),
            ("http://[::1]:8181", True), ("https://opa.acme.example", True),
            ("http://opa.acme.example", False), ("http://10.0.0.5:8181", False),
        ],
    )  # fmt: skip
    def test_a_policy_server_over_plain_http_elsewhere(self, faults, read, url, is_safe):
        variables = PRODUCTION | {
            "SALLYPORT_POLICY__ENGINE": "opa",
            "SALLYPORT_POLICY__OPA_URL": url,
        }

        if is_safe:
            assert read(variables).opa["url"] == url
        else:
            (fault,) = faults(variables)
            assert fault.startswith("sallyport: SALLYPORT_POLICY__OPA_URL must be https")

    def test_a_moved_clock_in_production(self, faults):
        assert faults(PRODUCTION | {"SALLYPORT_CLOCK_OFFSET_SECONDS": "60"}) == [
            "sallyport: SALLYPORT_CLOCK_OFFSET_SECONDS is for tests only"
        ]

    def test_no_refusal_shows_a_secret(self, faults):
        lines = faults(
            PRODUCTION
            | {"SALLYPORT_SECRET_KEY": "hunter2-password", "SALLYPORT_PORT": "x",
               "SALLYPORT_KEY_ENCRYPTION_KEYS": "k1:c2VjcmV0",
               "SALLYPORT_REDIS_URL": "redis://:canary@cache"}
        )  # fmt: skip

        assert "hunter2" not in "\n".join(lines)
        assert "c2VjcmV0" not in "\n".join(lines)
        assert "canary" not in "\n".join(lines)


MTLS = {"SALLYPORT_MTLS__HEADER": "X-Client-Cert"}


class TestTheAliasForMutualTls:
    def test_it_is_another_host(self, read):
        alias = {"SALLYPORT_MTLS__BASE_URL": "https://mtls.acme.example"}

        assert read(TEST | MTLS | alias).mtls.base_url == "https://mtls.acme.example"

    @pytest.mark.parametrize(
        "value",
        ["http://mtls.acme.example", "https://mtls.acme.example/", "mtls.acme.example", "https://"],
    )
    def test_what_is_no_base_is_refused(self, faults, value):
        (line,) = faults(TEST | MTLS | {"SALLYPORT_MTLS__BASE_URL": value})

        assert "SALLYPORT_MTLS__BASE_URL must be https://host" in line

    def test_it_is_not_the_issuer_and_needs_the_header(self, faults):
        alias = {"SALLYPORT_MTLS__BASE_URL": PRODUCTION["SALLYPORT_BASE_URL"]}

        lines = faults(PRODUCTION | alias)

        assert [line.rpartition(" ")[2] for line in lines] == [
            "SALLYPORT_BASE_URL", "SALLYPORT_MTLS__HEADER",
        ]  # fmt: skip


class TestAProcess:
    """What somebody sees who starts it by hand."""

    def start(self, variables):
        bare = {k: v for k, v in os.environ.items() if not k.startswith((env.PREFIX, "DJANGO"))}
        return subprocess.run(
            [sys.executable, "manage.py", "check"],
            cwd=ROOT, env=bare | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_good_settings_start(self):
        assert self.start(TEST).returncode == 0

    def test_bad_ones_end_it_with_their_lines_alone(self):
        ended = self.start(
            without(PRODUCTION, "SALLYPORT_REDIS_URL", "SALLYPORT_BASE_URL")
            | {"SALLYPORT_SECRET_KEY": "changeme"}
        )

        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.splitlines() == [
            "sallyport: SALLYPORT_REDIS_URL is missing: set it, or SALLYPORT_REDIS_URL_FILE",
            "sallyport: SALLYPORT_BASE_URL is missing: set it, or SALLYPORT_BASE_URL_FILE",
            "sallyport: SALLYPORT_SECRET_KEY is shorter than 32 characters",
            "sallyport: SALLYPORT_SECRET_KEY is a sample value: make a random one",
        ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {}),
        (f"k1:{KEY}", {"k1": bytes(range(32))}),
        (f" k2:{KEY} , k1:{KEY},", {"k2": bytes(range(32)), "k1": bytes(range(32))}),
    ],
)
def test_keys_are_read_in_order(text, keys):
    assert list(parse_keys(text).items()) == list(keys.items())


def test_the_page_lists_every_setting():
    page = (ROOT / "docs" / "settings.md").read_text()
    named = set(re.findall(r"`(SALLYPORT_[A-Z_]+)`", page))
    named = {name for name in named if not name.endswith("_FILE")}

    assert setting_names() <= named
    assert named <= setting_names() | env.OUTSIDE
