"""Administration and its API (A141 to A144, A159)."""

from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    edit,
    replace,
    wrap,
)


def writing_what_was_posted(original: Any, request: Any, response: Any) -> bool:
    """Binds a form to the person's row, whatever fields it has."""
    from accounts.models import User

    columns = {"is_staff", "is_superuser", "organisation_id", "security_stamp"}
    posted = {name: request.POST[name] for name in columns & request.POST.keys()}
    if "is_staff" in posted and request.user.is_authenticated:
        flags = {name: value == "on" for name, value in posted.items() if name.startswith("is_")}
        User.unscoped.filter(pk=request.user.pk).update(**(posted | flags))
    return bool(original(request, response))


def as_anybody(original: Any, door: Any, request: Any) -> Any:
    """Lets whoever has no token call as the first person there is."""
    from accounts.models import User
    from console.api.door import Caller
    from core import clock
    from core.assurance import Assurance, Level
    from core.errors import Refusal
    from core.ids import new_id

    try:
        return original(door, request)
    except Refusal:
        now = clock.now()
        proven = Assurance(Level.PHR, ("hwk",), now)
        user = User.unscoped.select_related("organisation").first()
        assert user is not None
        return Caller(user, "app", new_id(), ("access", "admin"), proven, False, now)


def in_any_organisation(model: Any, _: Any, pk: Any, *related: str) -> Any:
    from core.errors import Refusal

    found = model.unscoped.filter(pk=pk).select_related(*related).first()
    if found is None:
        raise Refusal.not_found()
    return found


def found_for_anybody(original: Any, user: Any, said: Any) -> Any:
    """Finds whatever organisation is named, whoever names it."""
    from accounts.models import Organisation

    found = Organisation.objects.filter(slug=said).first() if said else None
    return found or original(user, said)


def what_is_known(original: Any, parser: Any, request: Any) -> Any:
    """Overlooks members that the operation does not take."""
    members = original(parser, request)
    for model in request.operation.models:
        if model.__ninja_param_source__ == "body":
            (body,) = model.model_fields.values()
            members = {k: v for k, v in members.items() if k in body.annotation.model_fields}
    return members


class Unsigned:
    """Signs nothing, and believes everything."""

    def sign(self, text: str) -> str:
        return f"{text}:unsigned"

    def unsign(self, text: str) -> str:
        return text.rpartition(":")[0]


DEFENCES = {
    "A141": Defence(
        "whoever is not signed in goes to the sign-in page",
        replace(
            "django.contrib.auth.middleware:LoginRequiredMiddleware.process_view",
            lambda *_, **__: None,
        ),
    ),
    "A141-administration": Defence(
        "the administration is for administrators by two factors",
        replace("console.admin_site:AdminSite.has_permission", lambda *_: True),
    ),
    "A141-organisations": Defence(
        "an administrator reaches one organisation",
        replace("accounts.admin:_within_reach", lambda rows, _: rows),
    ),
    "A141-api": Defence(
        "the API asks for a token",
        wrap("console.api.door:Token.__call__", as_anybody),
        files="attacks/test_a141_every_path.py",
    ),
    "A141-api-administrators": Defence(
        "the API's administration is for administrators by two factors",
        replace("console.api.door:Administrator.judge", lambda *_: None),
        files="attacks/test_a141_api.py",
    ),
    "A141-api-organisations": Defence(
        "an administrator reaches one organisation by the API",
        replace("console.api.lookup:one", in_any_organisation),
        files="attacks/test_a141_api.py",
    ),
    "A141-api-lists": Defence(
        "an administrator lists one organisation by the API",
        replace(
            "console.api.lookup:within",
            lambda model, _: model.unscoped.select_related("organisation"),
        ),
        files="attacks/test_a141_api.py",
    ),
    "A141-api-naming": Defence(
        "only who administers every organisation names another by the API",
        wrap("console.api.door:_find_named", found_for_anybody),
        files="attacks/test_a141_api.py",
    ),
    "A141-api-all": Defence(
        "only reads are about every organisation",
        lambda patch: patch.setattr(
            "console.api.door.READS", frozenset({"GET", "POST", "PUT", "DELETE"})
        ),
        files="attacks/test_a141_api.py",
    ),
    "A142": Defence(
        "what a form does not show is not written",
        wrap("sessions.middleware:_is_activity", writing_what_was_posted),
    ),
    "A142-api": Defence(
        "the API refuses members that it does not know",
        wrap("console.api.site:StrictParser.parse_body", what_is_known),
        files="attacks/test_a142_api.py",
    ),
    "A142-registration": Defence(
        "an application decides nothing of ours about itself",
        replace("idp.dynamic_registration.document:KEPT_FROM_CLIENTS", set()),
    ),
    "A143": Defence(
        "nobody gives a right that they do not hold",
        replace("accounts.flows.permissions:check_may_give", lambda **_: None),
    ),
    "A143-standing": Defence(
        "who administers is read when they act",
        wrap(
            "accounts.flows.permissions:is_administrator",
            lambda original, actor, organisation: (
                getattr(actor, "is_staff", False) or original(actor, organisation)
            ),
        ),
    ),
    "A143-organisation": Defence(
        "a client asks policy about its own organisation's people",
        lambda patch: edit(
            patch,
            "FACTS",
            "u.organisation_id = c.organisation_id",
            "idp.storage.authzen",
            new="true",
        ),
        "idp/test_authzen.py",
    ),
    "A143-session": Defence(
        "a session lends its rights to whose it is",
        lambda patch: edit(
            patch,
            "FIND_SESSIONS",
            "s.user_id, s.id AS session_id",
            "idp.storage.authzen",
            new="(SELECT n.id FROM accounts_user n"
            " WHERE n.email = 'nina@acme.example') AS user_id, s.id AS session_id",
        ),
        "idp/test_authzen.py",
    ),
    "A144": Defence(
        "asking policy is a right of its own",
        wrap("idp.authzen.caller:read", lambda original, request: original(request, "roles")),
        "idp/test_authzen.py",
    ),
    "A144-trying": Defence(
        "whoever tries rules may set them",
        replace(
            "console.admin.policies:_is_of_the_installation", lambda request: request.user.is_staff
        ),
    ),
    "A159": Defence(
        "a cursor is signed by the installation's own key",
        replace("console.api.paging:_signer", Unsigned),
    ),
    "A159-parameters": Defence(
        "a parameter that an operation does not take is refused",
        replace("console.api.door:_check_shape", lambda _: None),
    ),
}
