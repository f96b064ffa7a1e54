"""The other grants (A072 to A078)."""

from typing import Any

from tests.attacks.sabotage.defence import (
    Defence,
    edit,
    however_old,
    replace,
    whatever_it_is,
    wrap,
)


def of_any_organisation(model: Any, user: Any, *, grant_type: str) -> Any:
    rows = model.unscoped.filter(
        approved_at=None, denied_at=None, client__grant_types__contains=[grant_type]
    )
    return rows.select_related("client__organisation")


def person_of_any_organisation(client: Any, named: Any) -> Any:
    from accounts.models import User

    return User.unscoped.filter(email=named.get("email", "").lower()).first()


def with_the_right(original: Any, request: Any) -> Any:
    """Whoever authenticates may sign people out."""
    from dataclasses import replace as changed

    client = original(request)
    return changed(client, metadata=changed(client.metadata, may_sign_people_out=True))


DEFENCES = {
    "A072": Defence(
        "machines have no scopes of people",
        replace("idp.grants.client_credentials:USER_SCOPES", set()),
        "attacks/test_a072_scopes_of_machines.py",
    ),
    "A072-people": Defence(
        "a client signs people out if an administrator lets it",
        wrap("idp.endpoints.global_revocation:authenticated_by_header", with_the_right),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-elsewhere": Defence(
        "and people of its own organisation only",
        replace("idp.endpoints.global_revocation:_find", person_of_any_organisation),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-again": Defence(
        "an assertion signs people out once",
        replace("idp.clients.assertions:_claim", lambda *_: None),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-often": Defence(
        "nobody is searched for without end",
        replace("core.limits:spend", lambda *_, **__: None),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-size": Defence(
        "the body that names somebody is small",
        replace("idp.endpoints.global_revocation:MAX_BODY_SIZE_BYTES", 2**30),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A073": Defence(
        "what a device was allowed is redeemed once",
        lambda patch: edit(
            patch, "REDEEM", "AND used_at IS NULL", "idp.grants.device_code:DeviceCodeGrant"
        ),
        "attacks/test_a073_device_code_reuse.py",
    ),
    "A073-ciba": Defence(
        "what a person allowed a client that asked is redeemed once",
        lambda patch: edit(patch, "REDEEM", "AND used_at IS NULL", "idp.grants.ciba:CibaGrant"),
        "attacks/test_a073_auth_req_id_reuse.py",
    ),
    "A074": Defence(
        "who allows a device has signed in just now",
        wrap("core.assurance:Assurance.satisfies", however_old),
        "attacks/test_a074_device_phishing.py",
    ),
    "A074-ciba": Defence(
        "nobody is asked again and again",
        replace("idp.backchannel:_check_peace", lambda *_: None),
        "attacks/test_a074_authentication_request_fatigue.py",
    ),
    "A075": Defence(
        "tries at user codes are paid for", replace("core.limits:spend", lambda *_, **__: None)
    ),
    "A076": Defence(
        "a device is allowed by people of its client's organisation",
        replace("idp.polled_requests:waiting", of_any_organisation),
    ),
    "A077": Defence(
        "an API exchanges what is for it",
        replace("idp.grants.token_exchange:_is_for", lambda *_: True),
    ),
    "A077-rows": Defence(
        "what is exchanged still stands",
        wrap("idp.grants.token_exchange:judge", whatever_it_is),
    ),
    "A077-scope": Defence(
        "scope does not grow by an exchange",
        replace("idp.grants.token_exchange:_scope", lambda _, __, asked: asked or ""),
    ),
    "A078": Defence("redemption is judged", replace("idp.grants.proof:judge", lambda *_: None)),
}
