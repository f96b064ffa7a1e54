from django.urls import path

from mfa import views

app_name = "mfa"
urlpatterns = [
    path("mfa/challenge/", views.challenge, name="challenge"),
    path(
        "mfa/challenge/passkey/options/",
        views.passkey_challenge_options,
        name="passkey_challenge_options",
    ),
    path("mfa/challenge/passkey/", views.passkey_challenge, name="passkey_challenge"),
    path("mfa/login/passkey/options/", views.passkey_login_options, name="passkey_login_options"),
    path("mfa/login/passkey/", views.passkey_login, name="passkey_login"),
    path("mfa/totp/", views.totp_enrol, name="totp_enrol"),
    path("mfa/totp/remove/", views.totp_remove, name="totp_remove"),
    path("mfa/passkeys/", views.passkey_list, name="passkeys"),
    path("mfa/passkeys/add/", views.passkey_add, name="passkey_add"),
    path("mfa/passkeys/add/options/", views.passkey_add_options, name="passkey_add_options"),
    path("mfa/passkeys/add/finish/", views.passkey_add_finish, name="passkey_add_finish"),
    path("mfa/passkeys/<uuid:row_id>/rename/", views.passkey_rename, name="passkey_rename"),
    path("mfa/passkeys/<uuid:row_id>/remove/", views.passkey_remove, name="passkey_remove"),
    path("mfa/recovery-codes/", views.recovery_codes, name="recovery_codes"),
]
