"""Our side of allauth: who may sign up, whose mail it sends, how passwords are set.

Rules live in flows; this only hands over. allauth's own re-authentication is not used (it lets
people without a password pass unasked): `urls.py` wraps what is sensitive.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.conf import settings
from django.contrib import messages
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import flows, mail
from accounts.models import Organisation, User
from audit.events import Event
from audit.recorder import record
from core import clock
from core.errors import Refusal
from core.http import client_address

CHOOSE_PASSWORD = (
    "Please choose a password: the one from signing up was typed in another browser, "
    "and we cannot know that it was you."
)
KNOWN_USER = "account_known_user"  # session key: this browser has shown this user's password


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def get_login_stages(self) -> list[str]:
        return [*super().get_login_stages(), *settings.LOGIN_STAGES]

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Never: allauth's JSON answers are a second front door that nobody here uses."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Only this site; allauth would also take every trusted origin."""
        return url_has_allowed_host_and_scheme(
            url,
            allowed_hosts={context.request.get_host()},
            require_https=context.request.is_secure(),
        )

    # Sign-up ----------------------------------------------------------------------------------

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return settings.SIGNUP == "open"

    def new_user(self, request: HttpRequest) -> User:  # noqa: ARG002
        return User(organisation=_signup_organisation(), created_at=clock.now())

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        with transaction.atomic():
            user = super().save_user(request, user, form, commit)
            if commit:
                flows.note_registration(user=user, now=clock.now(), how="sign_up")
        return user

    # Passwords --------------------------------------------------------------------------------

    def set_password(self, user: User, password: str) -> None:
        flows.change_password(user=user, password=password, now=clock.now())

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        super().send_password_reset_mail(user, email, context)
        record(
            Event.PASSWORD_RESET_REQUESTED,
            organisation_id=user.organisation_id,
            subject=user,
            now=clock.now(),
        )

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        return reverse("console:security")

    # Signing in -------------------------------------------------------------------------------

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        response: HttpResponse | None
        if not user.organisation.is_active:
            response = self.respond_user_inactive(request, user)
        elif flows.is_locked_out(user=user, address=client_address(request), now=clock.now()):
            response = redirect("accounts:locked")
        else:
            request.session[KNOWN_USER] = str(user.pk)
            response = super().pre_login(request, user, **kwargs)
        return response

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:  # noqa: ARG002
        """One counter for each address; allauth's also varies with the Host header."""
        return str(credentials.get("email") or "").strip().lower()

    # Addresses --------------------------------------------------------------------------------

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
        """Confirm an address for whoever opened the mailed link.

        A sign-up that is confirmed from a browser which never showed its password may be somebody
        else's: then the password is forgotten, and the owner of the mailbox chooses one by reset.
        """
        user: User = email_address.user
        now = clock.now()
        is_first = not type(email_address).objects.filter(user=user, verified=True).exists()
        is_known = request.user == user or request.session.get(KNOWN_USER) == str(user.pk)
        try:
            with transaction.atomic():
                if email_address.can_set_verified():
                    flows.discard_unverified(email=email_address.email, now=now, keep=user)
                confirmed: bool = super().confirm_email(request, email_address)
                if confirmed and is_first and not is_known:
                    flows.forget_password(user=user, now=now)
                    messages.info(request, CHOOSE_PASSWORD)
        except IntegrityError:  # another account was faster
            confirmed = False
            self.add_message(
                request,
                messages.ERROR,
                "account/messages/email_confirmation_failed.txt",
                {"email": email_address.email},
            )
        return confirmed

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        if not email_address.user.has_usable_password():
            return reverse("account_reset_password")
        url: str = super().get_email_verification_redirect_url(email_address)
        return url

    # Mail -------------------------------------------------------------------------------------

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        mail.send(template_prefix, to=email, context=_at_home(context))
        if template_prefix == "account/email/unknown_account":  # the same work as for a known one
            record(Event.PASSWORD_RESET_REQUESTED, organisation_id=None, now=clock.now())

    def render_mail(
        self,
        template_prefix: str,
        email: Any,
        context: dict[str, Any],
        headers: Any = None,  # noqa: ARG002
    ) -> EmailMessage:
        return mail.compose(template_prefix, to=email, context=_at_home(context))

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        mail.notify(user, template_prefix, now=clock.now(), to=email, **(context or {}))


def _signup_organisation() -> Organisation:
    """Whose member somebody becomes who signs up without an invitation."""
    open_ones = Organisation.objects.filter(is_active=True)
    slug: str = settings.SIGNUP_ORGANISATION
    organisation = (
        open_ones.filter(slug=slug) if slug else open_ones.order_by("created_at")
    ).first()
    if organisation is None:
        raise Refusal.unavailable("Sign-up is not set up yet. Please tell your administrator.")
    return organisation


def _at_home(facts: dict[str, Any]) -> dict[str, Any]:
    """Allauth's context, without the request, and with our own address in every link."""
    return {name: _our_url(name, value) for name, value in facts.items() if name != "request"}


def _our_url(name: str, value: Any) -> Any:
    if not name.endswith("_url") or not isinstance(value, str):
        return value
    ours, theirs = urlsplit(settings.ISSUER), urlsplit(value)
    return urlunsplit((ours.scheme, ours.netloc, theirs.path, theirs.query, theirs.fragment))
