"""Mail, resets, invitations and federation (A128 to A139)."""

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


DEFENCES = {
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
