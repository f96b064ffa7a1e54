"""allauth's pages one by one, the sensitive ones behind step-up, and our own.

A page of allauth that is not named here does not exist: a release that adds one opens nothing.
Its `account_logout` is in `idp/urls.py`, which knows whom the browser has to tell.
"""

from datetime import timedelta

from allauth.account import views as allauth_views
from django.conf import settings
from django.urls import include, path, re_path

from accounts import views
from core.http import REACHABLE, require_assurance

fresh = require_assurance(REACHABLE, max_age=timedelta(minutes=10))


def _is_signup_open() -> bool:
    return bool(settings.SIGNUP == "open")


own = (
    [
        path("invitations/<str:token>/", views.invitation, name="invitation"),
        path("accounts/locked/", views.locked, name="locked"),
        path("profile/", views.profile, name="profile"),
    ],
    "accounts",
)

urlpatterns = [
    path("", include(own)),
    path(
        "accounts/login/",
        allauth_views.LoginView.as_view(extra_context={"is_signup_open": _is_signup_open}),
        name="account_login",
    ),
    path("accounts/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("accounts/signup/", allauth_views.signup, name="account_signup"),
    path("accounts/reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("accounts/email/", fresh(allauth_views.email), name="account_email"),
    path(
        "accounts/confirm-email/",
        allauth_views.email_verification_sent,
        name="account_email_verification_sent",
    ),
    re_path(
        r"^accounts/confirm-email/(?P<key>[-:\w]+)/$",
        allauth_views.confirm_email,
        name="account_confirm_email",
    ),
    path(
        "accounts/password/change/",
        fresh(allauth_views.password_change),
        name="account_change_password",
    ),
    path("accounts/password/set/", fresh(allauth_views.password_set), name="account_set_password"),
    path("accounts/password/reset/", allauth_views.password_reset, name="account_reset_password"),
    path(
        "accounts/password/reset/done/",
        allauth_views.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth_views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        allauth_views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]
