"""The authorization endpoint, redirects and consent (A001 to A018)."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, redeem_without, replace, wrap


def redirect_uri_by(is_good: Callable[[str, str], bool]) -> Callable[[Patch], None]:
    def check(params: Any, client: Any) -> None:
        from core.errors import Refusal

        if not any(is_good(known, params.redirect_uri) for known in client.redirect_uris):
            raise Refusal.invalid_request("The redirect_uri is not registered.")

    return replace("idp.authorization.checks:check_redirect_uri", check)


def host_of(uri: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(uri).hostname or "-"


def without_issuer(original: Any, *args: Any, **how: Any) -> Any:
    from dataclasses import replace as changed

    made = original(*args, **how)
    return changed(made, values={n: v for n, v in made.values.items() if n != "iss"})


def posted_on(original: Any, location: str) -> Any:
    response = original(location)
    response.status_code = 307
    return response


def what_the_form_says(original: Any, request: Any, request_id: str, *, now: Any) -> Any:
    """Believes the parameters beside the handle."""
    from dataclasses import replace as changed

    from idp.authorization import pending

    row = original(request, request_id, now=now)
    said = request.GET.dict() | request.POST.dict()
    params = pending.params_of(row)
    more = {name: said[name] for name in ("state", "redirect_uri") if name in said}
    if "scope" in said:
        more["scope"] = tuple(said["scope"].split())
    row.parameters = changed(params, **more).to_json()
    return row


DEFENCES = {
    "A001": Defence(
        "redirect_uri is compared byte for byte, not by the host's name in it",
        redirect_uri_by(lambda known, given: host_of(known) in given),
    ),
    "A002": Defence(
        "redirect_uri is compared to its end, not by its beginning",
        redirect_uri_by(lambda known, given: given.startswith(known)),
    ),
    "A003": Defence(
        "a registered address is no pattern",
        redirect_uri_by(lambda known, given: re.match(known, given) is not None),
    ),
    "A005": Defence(
        "ports and hosts of the loopback are compared as well",
        redirect_uri_by(lambda known, given: host_of(known)[:3] == host_of(given)[:3]),
    ),
    "A006": Defence(
        "redirect_uri is compared before anything that redirects",
        redirect_uri_by(lambda _, __: True),
    ),
    "A007": Defence(
        "the token endpoint compares redirect_uri again",
        redeem_without("AND redirect_uri = %(redirect_uri)s"),
    ),
    "A009": Defence("only registered addresses are gone to", redirect_uri_by(lambda _, __: True)),
    "A010": Defence("redirects do not repeat a POST", wrap("idp.answers:see_other", posted_on)),
    "A011": Defence(
        "forms carry a token of the session",
        replace("django.middleware.csrf:CsrfViewMiddleware.process_view", lambda *_: None),
    ),
    "A012": Defence(
        "what is allowed comes from the stored request",
        wrap("idp.journey:find_pending", what_the_form_says),
    ),
    "A013": Defence(
        "every answer forbids frames",
        replace(
            "django.middleware.clickjacking:XFrameOptionsMiddleware.process_response",
            lambda _, __, response: response,
        ),
    ),
    "A014": Defence(
        "names hold no signs that fake",
        replace("idp.registration.rules:check_name", lambda name: name),
        "attacks/test_a014_markup_in_registrations.py",
    ),
    "A014-logos": Defence(
        "a logo is a picture by its bytes",
        replace(
            "idp.clients.pictures:recognise", lambda _: SimpleNamespace(media_type="image/png")
        ),
        "attacks/test_a014_logos.py",
    ),
    "A014-swap": Defence(
        "who registered themselves keep their face",
        lambda patch: patch.setattr("idp.models.Client.is_by_itself", False),
        "attacks/test_a014_logos.py",
    ),
    "A014-pages": Defence(
        "pages show text as text",
        replace("django.utils.html:conditional_escape", str),
        "attacks/test_a014_markup_in_names.py",
    ),
    "A017": Defence(
        "every answer names its issuer", wrap("idp.authorization.reply:make", without_issuer)
    ),
    "A018": Defence(
        "no origin is allowed with credentials",
        replace(
            "idp.machine.door:ANYWHERE",
            [
                ("Access-Control-Allow-Origin", "https://evil.example"),
                ("Access-Control-Allow-Credentials", "true"),
            ],
        ),
    ),
}
