"""Reads `SALLYPORT_*` from the environment, typed, and refuses what it does not know.

Nested values use `__` (`SALLYPORT_EMAIL__HOST`); any variable may be given as `<NAME>_FILE`, the
path of a file that holds the value. Secure by default: without SALLYPORT_ENVIRONMENT this is
production, where missing values and sample secrets refuse to start with one line each.
"""

import base64
import binascii
import json
import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, IPvAnyNetwork, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

PREFIX = "SALLYPORT_"
# Read by the launcher, the clock and the test suite; no field of ours.
OUTSIDE = {"SALLYPORT_CLOCK_OFFSET_SECONDS", "SALLYPORT_DATABASE_OWNER_URL", "SALLYPORT_TEST_RUN"}
SAMPLE_SECRETS = ("changeme", "change-me", "secret", "example", "insecure", "password", "sample")
URL_SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "unix"),
}
MIN_SECRET_LENGTH = 32
KEY_SIZE_BYTES = 32


class Misconfigured(SystemExit):
    """Settings that cannot be used; its text has one line for each fault."""


class Email(BaseModel):
    """Outgoing mail. Without a host, mail is written to files under var/mail (development only)."""

    host: str = ""
    port: int = 587
    user: str = ""
    password: SecretStr = SecretStr("")
    use_tls: bool = True
    sender: str = "Sallyport <no-reply@localhost>"


class Lifetimes(BaseModel):
    """How long things live. Durations are ISO 8601: `PT15M`."""

    access_token: timedelta = Field(default=timedelta(minutes=15), le=timedelta(hours=1))
    refresh_token: timedelta = Field(default=timedelta(days=7), le=timedelta(days=7))
    refresh_retry_window: timedelta = Field(default=timedelta(seconds=10), le=timedelta(seconds=60))
    authorization_code: timedelta = Field(default=timedelta(seconds=60), le=timedelta(minutes=10))
    status_list: timedelta = Field(
        default=timedelta(minutes=1), ge=timedelta(seconds=10), le=timedelta(minutes=15)
    )
    id_token: timedelta = Field(default=timedelta(minutes=15), le=timedelta(hours=1))
    session_idle: timedelta = timedelta(hours=24)
    session_absolute: timedelta = timedelta(days=7)
    invitation: timedelta = timedelta(days=7)
    signing_key: timedelta = timedelta(days=90)
    signing_key_overlap: timedelta = timedelta(days=2)


class Outbound(BaseModel):
    """Requests to addresses that clients choose.

    ca: PEM certificates of authorities beside the system's; usually given as CA_FILE.
    """

    allowed_networks: list[IPvAnyNetwork] = []
    ca: str = ""


class Mtls(BaseModel):
    """Client certificates, as the reverse proxy hands them over. Off without a header.

    base_url: a second address of the same installation, where certificates are asked for.
    """

    header: str = Field(default="", pattern=r"^([A-Za-z0-9-]{1,64})?$")
    verify_header: str = Field(default="", pattern=r"^([A-Za-z0-9-]{1,64})?$")
    proxies: list[IPvAnyNetwork] = []
    base_url: str = ""


class ForwardAuth(BaseModel):
    """Applications behind proxies that ask us about each request. Off without proxies."""

    proxies: list[IPvAnyNetwork] = []


class Registration(BaseModel):
    """Applications that register themselves (RFC 7591).

    open_for: slug of an organisation in which anybody may register one; empty means nowhere.
    software_statement_issuers: the JWK Set of each issuer that may vouch for metadata.
    """

    open_for: str = ""
    grant_types: list[str] = ["authorization_code", "refresh_token"]
    require_pkce: bool = True
    software_statement_issuers: dict[str, dict[str, Any]] = {}


class Policy(BaseModel):
    """Who answers questions to policy.

    opa_url: `http[s]://host[:port]`, plain http to loopback only in production. opa_bundle: the
    name under which the server holds this installation's bundle; empty where its policy comes
    from elsewhere. log_lifetime: how long answers are kept; zero keeps none.
    """

    engine: Literal["embedded", "opa"] = "embedded"
    opa_url: str = ""
    opa_bundle: str = Field(default="sallyport", pattern=r"^[A-Za-z0-9._/-]{0,100}$")
    opa_token: SecretStr = SecretStr("")
    log_lifetime: timedelta = Field(default=timedelta(days=14), ge=timedelta(0))
    opa_timeout: timedelta = Field(
        default=timedelta(milliseconds=500), gt=timedelta(0), le=timedelta(seconds=2)
    )


class Pdp(BaseModel):
    """Another decision point (AuthZEN) that fills claims which clients have mapped to policy.

    search_url: of its search for resources; empty: our own policy answers.
    """

    search_url: str = ""
    token: SecretStr = SecretStr("")
    timeout: timedelta = Field(
        default=timedelta(seconds=1), gt=timedelta(0), le=timedelta(seconds=3)
    )


class Devices(BaseModel):
    """Machines that people enrol.

    enrolment_acr: how strongly somebody has to have proven themselves just before.
    administrator_approves: whether a device waits for an administrator as well.
    """

    enrolment_acr: Literal["aal2", "phr"] = "phr"
    administrator_approves: bool = False


class ClientDocuments(BaseModel):
    """Applications whose client_id is the address of a document that describes them.

    organisation: slug of the one they belong to; empty means that there are none. hosts: where the
    documents may be: names, `*.example.com` for all below one, or `*` for anywhere.
    """

    organisation: str = ""
    hosts: list[str] = []
    min_lifetime: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(minutes=1))
    max_lifetime: timedelta = Field(default=timedelta(days=1), le=timedelta(days=7))


class Environment(BaseSettings):
    """Every setting there is; docs/settings.md lists them and a test keeps the two in step."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    environment: Literal["production", "development", "test"] = "production"
    base_url: str = ""
    port: int = 8000
    var_dir: Path = Path("var")
    secret_key: SecretStr = SecretStr("")
    secret_key_fallbacks: SecretStr = SecretStr("")
    key_encryption_keys: SecretStr = SecretStr("")
    database_url: SecretStr = SecretStr("")
    database_runtime_role: str = "sallyport_app"
    redis_url: SecretStr = SecretStr("")
    trusted_proxy_count: int = Field(default=0, ge=0, le=5)
    allowed_hosts: list[str] = []
    signup: Literal["invitation", "open"] = "invitation"
    signup_organisation: str = ""
    email: Email = Email()
    lifetimes: Lifetimes = Lifetimes()
    outbound: Outbound = Outbound()
    registration: Registration = Registration()
    client_documents: ClientDocuments = ClientDocuments()
    devices: Devices = Devices()
    dpop_nonce_required: bool = False
    authorization_details_types: list[str] = []
    session_management: bool = False
    session_binding: Literal["off", "preferred", "required"] = "preferred"
    mtls: Mtls = Mtls()
    forward_auth: ForwardAuth = ForwardAuth()
    policy_dir: Path = Path("policies")
    policy: Policy = Policy()
    pdp: Pdp = Pdp()
    geo_database: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def issuer(self) -> str:
        return self.base_url or f"http://localhost:{self.port}"

    @property
    def opa(self) -> dict[str, Any] | None:
        """The server that answers questions to policy, if any, as `policy.opa.OpaSettings`."""
        if self.policy.engine == "embedded":
            return None
        return {
            "url": self.policy.opa_url,
            "bundle": self.policy.opa_bundle,
            "token": self.policy.opa_token.get_secret_value(),
            "ca": self.outbound.ca,
            "timeout": self.policy.opa_timeout.total_seconds(),
        }

    @model_validator(mode="after")
    def _refuse_what_is_unsafe(self) -> Self:
        faults = [*self._missing(), *self._weak()]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _missing(self) -> list[str]:
        needed: dict[str, object] = {
            "SECRET_KEY": self.secret_key.get_secret_value(),
            "KEY_ENCRYPTION_KEYS": self.key_encryption_keys.get_secret_value(),
            "DATABASE_URL": self.database_url.get_secret_value(),
            "REDIS_URL": self.redis_url.get_secret_value(),
        }
        if self.is_production:
            needed |= {"BASE_URL": self.base_url, "EMAIL__HOST": self.email.host}
        return [
            f"{PREFIX}{name} is missing: set it, or {PREFIX}{name}_FILE"
            for name, value in needed.items()
            if not value
        ]

    def _weak(self) -> list[str]:
        faults = []
        secret = self.secret_key.get_secret_value()
        if secret and len(secret) < MIN_SECRET_LENGTH:
            faults.append(f"{PREFIX}SECRET_KEY is shorter than {MIN_SECRET_LENGTH} characters")
        if self.is_production:
            if any(sample in secret.lower() for sample in SAMPLE_SECRETS):
                faults.append(f"{PREFIX}SECRET_KEY is a sample value: make a random one")
            url = urlsplit(self.base_url)
            if self.base_url and (url.scheme != "https" or not url.hostname):
                faults.append(f"{PREFIX}BASE_URL must be an https address in production")
            if os.environ.get("SALLYPORT_CLOCK_OFFSET_SECONDS"):
                faults.append("SALLYPORT_CLOCK_OFFSET_SECONDS is for tests only")
        if urlsplit(self.base_url).path:
            faults.append(f"{PREFIX}BASE_URL must have no path and no trailing slash")
        faults += self._alias_faults()
        faults += self._opa_faults()
        if self.pdp.search_url and urlsplit(self.pdp.search_url).scheme != "https":
            faults.append(f"{PREFIX}PDP__SEARCH_URL must be an https address")
        faults += _key_faults(self.key_encryption_keys.get_secret_value(), self.is_production)
        for name, schemes in URL_SCHEMES.items():
            value = getattr(self, name).get_secret_value()
            if value and urlsplit(value).scheme not in schemes:
                faults.append(f"{PREFIX}{name.upper()} must begin with {schemes[0]}://")
        return faults

    def _alias_faults(self) -> list[str]:
        alias, name = self.mtls.base_url, f"{PREFIX}MTLS__BASE_URL"
        if not alias:
            return []
        faults, url = [], urlsplit(alias)
        if not url.netloc or url.scheme != "https" or url.path or url.query or url.fragment:
            faults.append(f"{name} must be https://host[:port], without a path or trailing slash")
        if alias == self.issuer:
            faults.append(f"{name} must differ from {PREFIX}BASE_URL")
        if not self.mtls.header:
            faults.append(f"{name} needs {PREFIX}MTLS__HEADER")
        return faults

    def _opa_faults(self) -> list[str]:
        name = f"{PREFIX}POLICY__OPA_URL"
        if self.policy.engine == "embedded":
            return []
        try:
            url = urlsplit(self.policy.opa_url)
            is_whole = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            is_whole = False
        if not is_whole or "@" in url.netloc or url.path or url.query or url.fragment:
            return [f"{name} must be http[s]://host[:port], without a path or trailing slash"]
        if self.is_production and url.scheme == "http" and not _is_loopback(url.hostname or ""):
            return [f"{name} must be https, unless the server is on this machine"]
        return []


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_keys(text: str) -> dict[str, bytes]:
    """`id:base64[,id:base64…]` to key bytes, in order; raises ValueError."""
    keys = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"key {key_id} is not base64") from error
        if not key_id or len(key) != KEY_SIZE_BYTES:
            raise ValueError(f"key {key_id or '(no id)'} must be {KEY_SIZE_BYTES} bytes")
        if key_id in keys:
            raise ValueError(f"key {key_id} is named twice")
        keys[key_id] = key
    return keys


def _key_faults(text: str, is_production: bool) -> list[str]:  # noqa: FBT001
    try:
        keys = parse_keys(text)
    except ValueError as error:
        return [f"{PREFIX}KEY_ENCRYPTION_KEYS: {error}"]
    if is_production and any(len(set(key)) < KEY_SIZE_BYTES // 4 for key in keys.values()):
        return [f"{PREFIX}KEY_ENCRYPTION_KEYS is a sample value: make a random one"]
    return []


def read_environment() -> Environment:
    """Read and judge the environment; raises `Misconfigured` with one line for each fault."""
    values = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    faults = _read_files(values)
    known = {*_names(Environment), *OUTSIDE}
    faults += [f"{name} is not a setting of Sallyport" for name in sorted(set(values) - known)]
    if not faults:
        saved = dict(os.environ)
        os.environ.update(values)
        try:
            return Environment()
        except ValidationError as error:
            faults = _sentences(error)
        except SettingsError:  # its text names a field; the cause holds the value
            faults = [f"{name}: must be JSON" for name in _unreadable_lists(values)]
        finally:
            for name in values.keys() - saved.keys():  # secrets from files do not stay there
                del os.environ[name]
    raise Misconfigured("\n".join(f"sallyport: {fault}" for fault in faults))


def _read_files(values: dict[str, str]) -> list[str]:
    faults = []
    for name in [name for name in values if name.endswith("_FILE")]:
        target, path = name.removesuffix("_FILE"), values.pop(name)
        if target in values:
            faults.append(f"{target} and {name} are both set: keep one")
            continue
        try:
            values[target] = Path(path).read_text().strip()
        except OSError as error:
            faults.append(f"{name}: cannot read {path}: {error.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{name}: {path} is no UTF-8 text")
    return faults


def _unreadable_lists(values: dict[str, str]) -> list[str]:
    names = _names(Environment, lists_only=True)
    return [name for name in sorted(names) if name in values and not _is_json(values[name])]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _names(model: type[BaseModel], prefix: str = PREFIX, *, lists_only: bool = False) -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        full = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= _names(field.annotation, f"{full}__", lists_only=lists_only)
        elif not lists_only or get_origin(field.annotation) in {list, dict}:
            names.add(full)
    return names


def setting_names() -> set[str]:
    """The name of every variable that is read, for the documentation test."""
    return _names(Environment)


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        message: Any = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            sentences += message.splitlines()
        else:
            name = PREFIX + "__".join(str(part).upper() for part in fault["loc"])
            sentences.append(f"{name}: {message}")
    return sentences
