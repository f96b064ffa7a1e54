"""This app's limits. They only smooth; single use and expiry are in PostgreSQL."""

from datetime import timedelta

from core.limits import Limit

CLIENT_DOCUMENTS = Limit(
    name="idp-client-documents",
    burst=30,
    period=timedelta(minutes=1),
    why="A client_id that is an address makes this server ask another one, and needs no account.",
)

CLIENT_DOCUMENT_HOSTS = Limit(
    name="idp-client-document-hosts",
    burst=60,
    period=timedelta(minutes=1),
    why="However many ask, this server is not to be turned against the one that is asked.",
)

CLIENT_LOGO_HOSTS = Limit(
    name="idp-client-logo-hosts",
    burst=20,
    period=timedelta(minutes=1),
    why="However many register, this server is not to be turned against the one that is asked.",
)

BACKCHANNEL_AUTHENTICATIONS = Limit(
    name="idp-backchannel-authentications",
    burst=60,
    period=timedelta(minutes=1),
    why="A client that asks for people by name learns who is in its organisation, and mails them.",
)

DEVICE_AUTHORIZATIONS = Limit(
    name="idp-device-authorizations",
    burst=60,
    period=timedelta(minutes=1),
    why="A device that asks leaves a row for a day, and public clients do not prove who they are.",
)

DEVICE_CODE_TRIES = Limit(
    name="idp-device-code-tries",
    burst=10,
    period=timedelta(minutes=10),
    why="The code that people type has 34 bits: nobody needs more than a few tries for it.",
)

FORWARD_CODES = Limit(
    name="idp-forward-codes",
    burst=60,
    period=timedelta(minutes=1),
    why="Each leaves a row for a day; a browser needs one for an application, not one a second.",
)

GLOBAL_REVOCATIONS = Limit(
    name="idp-global-revocations",
    burst=60,
    period=timedelta(minutes=1),
    why="Each one signs somebody out, or tells that nobody has this name.",
)

PENDING_REQUESTS = Limit(
    name="idp-pending-requests",
    burst=300,
    period=timedelta(minutes=1),
    why="A sign-in that begins leaves a row for half an hour, and beginning one needs no account.",
)

REQUEST_REFERENCES = Limit(
    name="idp-request-references",
    burst=60,
    period=timedelta(minutes=1),
    why="A request by reference makes this server ask another one, and needs no account.",
)

PUSHED_REQUESTS = Limit(
    name="idp-pushed-requests",
    burst=300,
    period=timedelta(minutes=1),
    why="A pushed request leaves a row for a day, and public clients do not prove who they are.",
)

REGISTRATIONS = Limit(
    name="idp-registrations",
    burst=30,
    period=timedelta(minutes=1),
    why="Each registration leaves a client for good, and where it is open it needs no account.",
)

REGISTRATION_CALLS = Limit(
    name="idp-registration-calls",
    burst=60,
    period=timedelta(minutes=1),
    why="Applications look after their registration seldom; whoever asks often is guessing.",
)
