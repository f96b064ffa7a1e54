"""Django's settings, in sections named after the apps they concern. Values come from `env`."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from csp.constants import NONCE, NONE, SELF

from config.connections import broker_url, cache_url, django_database
from config.env import parse_keys, read_environment

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = read_environment()
VAR_DIR = ENV.var_dir if ENV.var_dir.is_absolute() else BASE_DIR / ENV.var_dir
IS_PRODUCTION = ENV.is_production

# --- core -------------------------------------------------------------------------------------
DEBUG = False
ISSUER = ENV.issuer
SECRET_KEY = ENV.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = [
    key for key in ENV.secret_key_fallbacks.get_secret_value().split(",") if key
]
TRUSTED_PROXY_COUNT = ENV.trusted_proxy_count
ALLOWED_HOSTS = [urlsplit(ISSUER).hostname or "localhost", *ENV.allowed_hosts]
if ENV.environment == "test":
    ALLOWED_HOSTS += ["testserver", "localhost"]
OUTBOUND_ALLOWED_NETWORKS = ENV.outbound.allowed_networks
OUTBOUND_CA = ENV.outbound.ca
OUTBOUND_PLAIN_HTTP = not IS_PRODUCTION  # to loopback, where that is an allowed network
PDP_SEARCH_URL, PDP_TIMEOUT = ENV.pdp.search_url, ENV.pdp.timeout
PDP_TOKEN = ENV.pdp.token.get_secret_value()
AUTHORIZATION_DETAILS_TYPES = ENV.authorization_details_types
MTLS_HEADER, MTLS_VERIFY_HEADER = ENV.mtls.header, ENV.mtls.verify_header
MTLS_PROXIES = ENV.mtls.proxies
FORWARD_AUTH_PROXIES = ENV.forward_auth.proxies
MTLS_BASE_URL = ENV.mtls.base_url  # its host has the machine endpoints, and no pages

INSTALLED_APPS = [
    "config.admin.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "axes",
    "csp",
    "django_otp",
    "core",
    "protection",
    "audit",
    "policy",
    "devices",
    "risk",
    "accounts",
    "mfa",
    "sessions",
    "access",
    "idp",
    "console",
]

MIDDLEWARE = [
    # First, so that errors and static files are in no foreign frame either.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.ClockMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "sessions.middleware.LoginSessionMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "core.middleware.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]

# What is answered by a process whose clock is off: whether it lives, and what others verify by.
PATHS_WITHOUT_CLOCK = ("/healthz", "/readyz", "/oauth/jwks", "/.well-known/")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "idp.context.authorization_client",
                "idp.context.application_behind",
                "access.context.access_inbox",
                "sessions.context.binding",
            ]
        },
    }
]

DATABASES = {"default": django_database(ENV.database_url.get_secret_value())}
DATABASE_RUNTIME_ROLE = ENV.database_runtime_role

REDIS_URL = ENV.redis_url.get_secret_value()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": cache_url(REDIS_URL),
        "KEY_PREFIX": "sallyport",
        "TIMEOUT": 300,
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DATE_FORMAT, DATETIME_FORMAT, TIME_FORMAT = "j F Y", "j F Y, H:i", "H:i"
SHORT_DATE_FORMAT, SHORT_DATETIME_FORMAT = "j M Y", "j M Y, H:i"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static" if IS_PRODUCTION else None  # else straight from the apps
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = ENV.environment == "development"

# --- transport and headers --------------------------------------------------------------------
IS_SECURE = ISSUER.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_SECURE
SESSION_COOKIE_NAME = "__Host-session" if IS_SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_SECURE else "csrf"
BROWSER_COOKIE_NAME = "__Host-browser" if IS_SECURE else "browser"
BOUND_COOKIE_NAME = "__Host-bound" if IS_SECURE else "bound"
BROWSER_STATE_COOKIE_NAME = "__Host-browser-state" if IS_SECURE else "browser-state"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = int(ENV.lifetimes.session_absolute.total_seconds())
CSRF_TRUSTED_ORIGINS = [ISSUER]
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside, without TLS
SECURE_HSTS_SECONDS = 63_072_000 if IS_SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin-allow-popups"
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
        "require-trusted-types-for": ["'script'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# --- protection -------------------------------------------------------------------------------
KEY_ENCRYPTION_KEYS = parse_keys(ENV.key_encryption_keys.get_secret_value())

# --- policy -----------------------------------------------------------------------------------
POLICY_DIR = ENV.policy_dir if ENV.policy_dir.is_absolute() else BASE_DIR / ENV.policy_dir
POLICY_OPA = ENV.opa
DECISION_LOG_LIFETIME = ENV.policy.log_lifetime

# --- devices ----------------------------------------------------------------------------------
DEVICES_ENROLMENT_ACR = ENV.devices.enrolment_acr
DEVICES_ADMINISTRATOR_APPROVES = ENV.devices.administrator_approves
# --- risk -------------------------------------------------------------------------------------
GEO_DATABASE = ENV.geo_database
GEO_DIR = VAR_DIR / "geo"  # the bundled data, made compact at first use

# --- accounts (allauth, axes) -----------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.GuessBudgetBackend",
    "accounts.backends.PasswordBackend",
]
SIGNUP = ENV.signup
SIGNUP_ORGANISATION = ENV.signup_organisation
INVITATION_LIFETIME = ENV.lifetimes.invitation
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:security"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "change_password": "accounts.forms.ChangePasswordForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.reset_tokens.PasswordResetTokens"
LOGIN_STAGES = ["mfa.stages.SecondFactorStage"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = False
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_SECURE else "http"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,20/5m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
PASSWORD_RESET_TIMEOUT = 3600

PASSWORD_HASHERS = [
    "accounts.passwords.Argon2Hasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.LengthValidator"},
    {"NAME": "accounts.passwords.BlocklistValidator"},
    {"NAME": "accounts.passwords.ContextValidator"},
]

AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USE_ATTEMPT_EXPIRATION = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "core.http.client_address"
AXES_HANDLER = "accounts.lockout.LockoutHandler"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.render_lockout"
AXES_SENSITIVE_PARAMETERS = [
    "username", "ip_address", "login", "email", "password", "password1", "password2",
    "oldpassword", "code", "credential", "client_secret", "csrfmiddlewaretoken",
]  # fmt: skip
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

EMAIL_BACKEND = "accounts.mail.OutboxBackend"
EMAIL_DELIVERY_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if ENV.email.host
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = VAR_DIR / "mail"
EMAIL_HOST, EMAIL_PORT = ENV.email.host, ENV.email.port
EMAIL_HOST_USER = ENV.email.user
EMAIL_HOST_PASSWORD = ENV.email.password.get_secret_value()
EMAIL_USE_TLS = ENV.email.use_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.email.sender

# --- mfa --------------------------------------------------------------------------------------
OTP_TOTP_SYNC = False
RELYING_PARTY_ID = urlsplit(ISSUER).hostname or "localhost"
RELYING_PARTY_NAME = "Sallyport"
RELYING_PARTY_ORIGINS = [ISSUER]

# --- sessions ---------------------------------------------------------------------------------
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_IDLE_LIFETIME = ENV.lifetimes.session_idle
SESSION_ABSOLUTE_LIFETIME = ENV.lifetimes.session_absolute
SESSION_BINDING = ENV.session_binding
SESSION_REEVALUATION_INTERVAL = timedelta(minutes=1)
STEP_UP_LIFETIME = timedelta(minutes=10)

# --- idp --------------------------------------------------------------------------------------
ACCESS_TOKEN_LIFETIME = ENV.lifetimes.access_token
STATUS_LIST_LIFETIME = ENV.lifetimes.status_list
ID_TOKEN_LIFETIME = ENV.lifetimes.id_token
REFRESH_TOKEN_LIFETIME = ENV.lifetimes.refresh_token
REFRESH_RETRY_WINDOW = ENV.lifetimes.refresh_retry_window
AUTHORIZATION_CODE_LIFETIME = ENV.lifetimes.authorization_code
DPOP_NONCE_REQUIRED = ENV.dpop_nonce_required
SESSION_MANAGEMENT = ENV.session_management
AUTHORIZATION_REQUEST_LIFETIME = timedelta(minutes=30)
SIGNING_KEY_LIFETIME = ENV.lifetimes.signing_key
SIGNING_KEY_OVERLAP = ENV.lifetimes.signing_key_overlap

REGISTRATION_OPEN_FOR = ENV.registration.open_for
REGISTRATION_GRANT_TYPES = ENV.registration.grant_types
REGISTRATION_REQUIRE_PKCE = ENV.registration.require_pkce
REGISTRATION_SOFTWARE_STATEMENT_ISSUERS = ENV.registration.software_statement_issuers
CLIENT_DOCUMENTS_ORGANISATION = ENV.client_documents.organisation
CLIENT_DOCUMENTS_HOSTS = ENV.client_documents.hosts
CLIENT_DOCUMENTS_MIN_LIFETIME = ENV.client_documents.min_lifetime
CLIENT_DOCUMENTS_MAX_LIFETIME = ENV.client_documents.max_lifetime

# --- Celery -----------------------------------------------------------------------------------
CELERY_BROKER_URL = broker_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 30
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep-sessions": {"task": "sessions.tasks.sweep_sessions", "schedule": 60},
    "retire-refresh-families": {"task": "idp.tasks.retire_refresh_families", "schedule": 60},
    "rotate-signing-keys": {"task": "idp.tasks.rotate_signing_keys", "schedule": 300},
    "note-faded-devices": {"task": "devices.tasks.note_faded", "schedule": 60},
    "count-device-tiers": {"task": "devices.tasks.count_tiers", "schedule": 3600},
    "purge-devices": {"task": "devices.tasks.purge", "schedule": 3600},
    "expire-role-assignments": {"task": "accounts.tasks.expire_role_assignments", "schedule": 60},
    "follow-client-documents": {"task": "idp.tasks.follow_client_documents", "schedule": 600},
    "fetch-client-logos": {"task": "idp.tasks.fetch_client_logos", "schedule": 300},
    "deliver-logout-tokens": {"task": "idp.tasks.deliver_logout_tokens", "schedule": 15},
    "deliver-pings": {"task": "idp.tasks.deliver_pings", "schedule": 15},
    "follow-access": {"task": "access.tasks.follow_time", "schedule": 30},
    "run-access-reviews": {"task": "access.tasks.run_reviews", "schedule": 3600},
    "tell-chat-rooms": {"task": "access.tasks.tell_rooms", "schedule": 15},
    "tell-chat-rooms-of-alerts": {"task": "access.tasks.tell_of_alerts", "schedule": 3600},
    "judge-grants": {"task": "access.tasks.judge_grants", "schedule": 300},
    "deliver-mail": {"task": "accounts.tasks.deliver_mail", "schedule": 15},
    "purge-idp": {"task": "idp.tasks.purge", "schedule": 3600},
    "purge-accounts": {"task": "accounts.tasks.purge", "schedule": 3600},
    "purge-sessions": {"task": "sessions.tasks.purge", "schedule": 3600},
    "watch-actions": {"task": "risk.tasks.watch_actions", "schedule": 300},
    "purge-risk": {"task": "risk.tasks.purge", "schedule": 3600},
    "purge-decisions": {"task": "policy.tasks.purge_decisions", "schedule": 3600},
    "purge-challenges": {"task": "mfa.tasks.purge", "schedule": 3600},
}
for _entry in CELERY_BEAT_SCHEDULE.values():
    # What no worker took until the next one is due is dropped: after a day without workers there is
    # one message of each to work off, not thousands.
    _entry["options"] = {"expires": _entry["schedule"]}

# --- logs -------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": [
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": ENV.log_level},
    "loggers": {
        "authlib": {"level": "INFO"},  # at DEBUG it writes the raw tokens that it issues
        "django.security.DisallowedHost": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "allauth": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}
