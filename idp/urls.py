"""The OpenID Provider's paths; beside each, where it is specified.

The machine endpoints are answered before Django by config/wsgi.py; here they have their names, and
an answer for servers that run without that door.
"""

from django.urls import include, path

from idp.views import (
    applications,
    authentication_requests,
    authorize,
    check_session,
    consent,
    device,
    end_session,
    forward_auth,
    machine,
)

own = [
    path("oauth/authorize", authorize.start, name="authorize"),  # RFC 6749 §3.1
    path("oauth/authorize/resume", authorize.resume, name="resume"),
    path("oauth/authorize/account", consent.account, name="account"),
    path("oauth/consent", consent.consent, name="consent"),
    path("oauth/end-session", end_session.end, name="end_session"),  # RP-Initiated Logout 1.0 §2
    path(
        "session/check/",  # OpenID Connect Session Management 1.0 §3.2
        check_session.check_session,
        name="check_session",
    ),
    path("oauth/token", machine.dispatch, name="token"),  # RFC 6749 §3.2
    path("oauth/par", machine.dispatch, name="pushed_request"),  # RFC 9126 §2
    path("oauth/userinfo", machine.dispatch, name="userinfo"),  # OpenID Connect Core 1.0 §5.3
    path(
        "oauth/device_authorization",  # RFC 8628 §3.1
        machine.dispatch,
        name="device_authorization",
    ),
    path("device/", device.enter, name="device"),  # RFC 8628 §3.3
    path("device/confirm/", device.confirm, name="device_confirm"),
    path(
        "oauth/bc-authorize",  # CIBA Core 1.0 §7
        machine.dispatch,
        name="backchannel_authentication",
    ),
    path(
        "authentication-requests/", authentication_requests.waiting, name="authentication_requests"
    ),
    path(
        "authentication-requests/<uuid:request_id>/",
        authentication_requests.answer,
        name="authentication_request",
    ),
    path("policy/bundle.tar.gz", machine.dispatch, name="policy_bundle"),
    # AuthZEN Authorization API 1.0 §12.1
    path("access/v1/evaluation", machine.dispatch, name="authzen_evaluation"),
    path("access/v1/evaluations", machine.dispatch, name="authzen_evaluations"),
    path("access/v1/search/subject", machine.dispatch, name="authzen_search_subject"),
    path("access/v1/search/resource", machine.dispatch, name="authzen_search_resource"),
    path("access/v1/search/action", machine.dispatch, name="authzen_search_action"),
    path("oauth/introspect", machine.dispatch, name="introspect"),  # RFC 7662 §2
    path("oauth/revoke", machine.dispatch, name="revoke"),  # RFC 7009 §2
    path(
        "oauth/global-token-revocation",  # draft-parecki-oauth-global-token-revocation
        machine.dispatch,
        name="global_token_revocation",
    ),
    path("oauth/register", machine.dispatch, name="register"),  # RFC 7591 §3
    path("oauth/register/<str:client_id>", machine.dispatch, name="registered_client"),  # RFC 7592
    path("oauth/status-lists", machine.dispatch, name="status_lists"),  # Token Status List §9
    path("oauth/status-lists/<str:list_id>", machine.dispatch, name="status_list"),  # §8.1
    path("client-logos/<str:digest>", machine.dispatch, name="client_logo"),
    # Forward-auth: what proxies ask (deploy/), and our own pages beside it
    path("forward-auth/nginx", machine.dispatch, name="forward_nginx"),
    path("forward-auth/traefik", machine.dispatch, name="forward_traefik"),
    path("forward-auth/caddy", machine.dispatch, name="forward_caddy"),
    path("forward-auth/envoy", machine.dispatch, name="forward_envoy"),
    path("forward-auth/envoy/<path:asked>", machine.dispatch, name="forward_envoy_path"),
    path("forward-auth/start", forward_auth.start, name="forward_start"),
    path("forward-auth/resume", forward_auth.resume, name="forward_resume"),
    path("forward-auth/help", forward_auth.explain, name="forward_help"),
    path("oauth/jwks", machine.dispatch, name="jwks"),  # RFC 7517 §5
    path(".well-known/openid-configuration", machine.dispatch, name="discovery"),  # Discovery §4
    path(
        ".well-known/oauth-authorization-server",  # RFC 8414 §3
        machine.dispatch,
        name="authorization_server_metadata",
    ),
    path(
        ".well-known/authzen-configuration",  # AuthZEN Authorization API 1.0 §11.2
        machine.dispatch,
        name="authzen_metadata",
    ),
    path(
        ".well-known/oauth-protected-resource",  # RFC 9728 §3
        machine.dispatch,
        name="resource_metadata",
    ),
    path(
        ".well-known/oauth-protected-resource/oauth/userinfo",  # RFC 9728 §3.1
        machine.dispatch,
        name="userinfo_metadata",
    ),
    path(
        ".well-known/oauth-protected-resource/api/v1",  # the same, of the API
        machine.dispatch,
        name="api_metadata",
    ),
    path("applications/<uuid:client>/withdraw/", applications.withdraw, name="revoke_consent"),
]
urlpatterns = [
    path("", include((own, "idp"))),
    # In place of allauth's view, by the name that it is asked for.
    path("accounts/logout/", end_session.sign_out, name="account_logout"),
]
