"""Mail, chat, resets, invitations and federation (A128 to A139)."""

from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, replace, setting, without_unique, wrap


def confirmed_or_not(key: str) -> Any:
    """Finds the address of a link, whatever has become of it."""
    from allauth.account import app_settings
    from allauth.account.models import EmailAddress, EmailConfirmationHMAC
    from django.core import signing

    found = EmailAddress.objects.filter(pk=signing.loads(key, salt=app_settings.SALT)).first()
    return EmailConfirmationHMAC(found) if found else None


def by_the_password_alone(_: Any, user: Any, timestamp: int) -> str:
    """Binds a reset link to who asked for it and to the password that it replaces."""
    return f"{user.pk}{user.password}{timestamp}"


def silent_about_changes(original: Any, self: Any, template: str, *args: Any, **how: Any) -> None:
    if not template.endswith("email_changed"):
        original(self, template, *args, **how)


def letting_the_database_speak(patch: Patch) -> None:
    """Does not expect that another account was faster."""
    patch.setattr("accounts.adapter.IntegrityError", ZeroDivisionError)


def as_it_is(value: str) -> str:
    """Passes on what was typed."""
    return value


def in_quotes_of_our_own(value: str) -> str:
    """Takes care of control sequences, and lets the rest be read as Markdown."""
    from access.chat import formats

    return formats._inert(value)


def as_markdown(original: Any, message: Any) -> Any:
    """A card of blocks that read Markdown."""
    said = original(message)
    for part in said["attachments"][0]["content"]["body"]:
        text = "".join(run["text"] for run in part.pop("inlines"))
        part |= {"type": "TextBlock", "text": text}
    return said


def with_a_way_to_answer(original: Any, grant: Any) -> str:
    """Whoever reads the room may answer by following the link."""
    return str(original(grant)) + "?verdict=approve"


DEFENCES = {
    "A130-inert": Defence(
        "what was typed begins no mention, link or control sequence",
        replace("access.chat.formats:_inert", as_it_is),
    ),
    "A130-code": Defence(
        "Mattermost reads no markup in it",
        replace("access.chat.formats:_code", in_quotes_of_our_own),
    ),
    "A130-line": Defence(
        "it is one line of printable characters", replace("access.chat.formats:_line", as_it_is)
    ),
    "A130-card": Defence(
        "it stands where Teams reads no markup",
        wrap("access.chat.formats:teams", as_markdown),
    ),
    "A130-link": Defence(
        "the link holds nothing but the page", wrap("access.notices:link_to", with_a_way_to_answer)
    ),
    "A128": Defence(
        "links are built from our own address",
        replace("accounts.adapter:_our_url", lambda name, value: value),
    ),
    "A131-newer": Defence(
        "a newer request ends the link of the older one",
        replace("allauth.account.managers:EmailAddressManager.get_new", lambda *_: None),
    ),
    "A131-confirmed": Defence(
        "an address signs in once it is confirmed",
        setting("ACCOUNT_EMAIL_VERIFICATION", "optional"),
    ),
    "A131-reset": Defence(
        "a change of address ends reset links",
        replace(
            "accounts.reset_tokens:PasswordResetTokens._make_hash_value", by_the_password_alone
        ),
    ),
    "A131-once": Defence(
        "a link is used once",
        replace("allauth.account.models:EmailConfirmationHMAC.from_key", confirmed_or_not),
    ),
    "A131-told": Defence(
        "the old address is told",
        wrap("accounts.adapter:AccountAdapter.send_notification_mail", silent_about_changes),
    ),
    "A131-race": Defence("who lost a race is told so by a page", letting_the_database_speak),
    "A131-database": Defence(
        "the database holds addresses unique", without_unique("accounts_user", "email")
    ),
}
