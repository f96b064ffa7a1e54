"""Drives the API as an application would: a token of somebody's sign-in, and JSON."""

import json
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

ROOT = "/api/v1"
SCOPES = ["access", "account", "admin", "offline_access"]
# Who may call what. A path that stands nowhere here fails until somebody decides (A141).
PUBLISHED = {"api:document"}
NOTHING = {"api:root", "api:nothing"}
PEOPLE = {
    "api:read_me", "api:list_offers", "api:read_inbox", "api:explain_offer", "api:request_access",
    "api:break_glass", "api:list_grants", "api:read_grant", "api:activate", "api:extend",
    "api:cancel", "api:drop", "api:approve", "api:deny", "api:revoke", "api:review",
}  # fmt: skip
OF_AN_ACCOUNT = {
    "api:list_own_sessions", "api:end_own_session", "api:end_own_others", "api:lock_own_account",
    "api:list_own_sign_ins", "api:judge_own_sign_in", "api:list_own_devices",
    "api:explain_own_score", "api:rename_own_device", "api:report_own_device_lost",
    "api:retire_own_device", "api:read_own_profile", "api:update_own_profile",
    "api:list_own_activity", "api:list_own_applications", "api:withdraw_own_application",
}  # fmt: skip
ADMINISTRATORS = {
    "api:list_entitlements", "api:create_entitlement", "api:read_entitlement",
    "api:update_entitlement", "api:preview_entitlement", "api:preview_new_entitlement", "api:retire_entitlement", "api:list_eligibilities",
    "api:add_eligibility", "api:end_eligibility", "api:list_all_grants", "api:read_any_grant",
    "api:suspend_grant", "api:resume_grant", "api:revoke_grant", "api:list_holdings",
    "api:list_reviews", "api:open_review", "api:list_review_items", "api:decide_review_item",
    "api:close_review", "api:list_rooms", "api:add_room", "api:update_room",
    "api:send_test_message", "api:remove_room", "api:list_users", "api:read_user", "api:lock_user", "api:unlock_user",
    "api:deactivate_user", "api:reactivate_user", "api:sign_user_out", "api:preview_link", "api:link_user",
    "api:unlink_user", "api:list_roles", "api:create_role", "api:update_role",
    "api:give_permission", "api:take_permission", "api:list_assignments", "api:assign_role",
    "api:end_assignment", "api:list_groups", "api:create_group", "api:add_member",
    "api:remove_member", "api:give_group_role", "api:take_group_role", "api:list_resources",
    "api:register_resource", "api:update_resource", "api:remove_resource", "api:list_devices",
    "api:read_device", "api:approve_device", "api:suspend_device", "api:resume_device",
    "api:revoke_device", "api:retire_device", "api:list_sessions", "api:end_one_session",
    "api:list_locks", "api:create_lock", "api:lift_one_lock", "api:list_events",
    "api:list_sign_ins", "api:judge_sign_in", "api:read_risk", "api:list_device_reports", "api:count_tiers",
    "api:explain_device_score", "api:list_alerts", "api:list_invitations", "api:invite", "api:withdraw_invitation",
    "api:list_clients", "api:register_client", "api:read_client", "api:update_client",
    "api:rotate_client_secret", "api:deactivate_client", "api:list_client_roles",
    "api:give_client_role", "api:take_client_role", "api:list_initial_tokens",
    "api:make_initial_token", "api:withdraw_initial_token", "api:list_connectors",
    "api:create_connector", "api:read_connector", "api:map_connector_checks",
    "api:rotate_connector_secret", "api:forget_connector", "api:switch_connector_off",
    "api:list_proxied_hosts", "api:add_proxied_host", "api:read_proxied_host",
    "api:change_proxied_host", "api:remove_proxied_host",
    "api:list_decisions", "api:read_decision", "api:export_decisions", "api:bring_table", "api:list_identifiers", "api:identify_device", "api:unidentify_device",
}  # fmt: skip
APPLICATIONS = {
    "api:list_workload_offers", "api:explain_workload_offer", "api:request_workload_access",
    "api:list_workload_grants", "api:read_workload_grant", "api:activate_workload_grant",
    "api:extend_workload_grant", "api:cancel_workload_grant", "api:drop_workload_grant",
}  # fmt: skip
OF_EVERY_ORGANISATION = {
    "api:list_policy_versions", "api:write_policy_version", "api:read_policy_version",
    "api:test_policy", "api:simulate_policy", "api:publish_policy", "api:roll_policy_back",
    "api:list_policy_publications", "api:list_organisations", "api:deactivate_organisation",
    "api:compare_policy", "api:explain_publication",
    "api:request_publication",
}  # fmt: skip


def application(of: Organisation, name: str = "", **fields: Any) -> Client:
    """A client whose tokens are meant for the API."""
    name = name or f"{of.slug}-api"
    found = Client.objects.within(of).filter(client_id=name).first()
    values: dict[str, Any] = {
        "kind": "public", "scopes": SCOPES, "audience": f"{settings.ISSUER}{ROOT}",
    }  # fmt: skip
    return found or cast.client(name, of, **(values | fields))


def token_of(
    session: LoginSession, *, scope: str = "access account admin", client: Client | None = None
) -> str:
    """An access token of a sign-in that is there."""
    client = client or application(session.user.organisation)
    answer = oauth.redeem(client, oauth.issue_code(client, session, scope=scope))
    assert answer.status == 200, answer.body
    return str(answer.json["access_token"])


class Api:
    """Somebody's calls, by a token of a session of theirs. The browser it has is nobody's."""

    def __init__(self, token: str, session: LoginSession | None = None) -> None:
        self.token, self.session = token, session
        self.browser = Browser(raise_request_exception=False)

    @classmethod
    def of(cls, person: Person, *, acr: str = "aal2", **token: Any) -> "Api":
        session = cast.sign_in(Browser(), person, acr=acr)
        return cls(token_of(session, **token), session)

    def again(self) -> "Api":
        """The same session's calls by a new token."""
        assert self.session is not None
        return Api(token_of(self.session), self.session)

    def get(self, path: str, **query: Any) -> Any:
        return self.send("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)

    def post(self, path: str, body: Any = None, **headers: Any) -> Any:
        return self.send("POST", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: Any) -> Any:
        """body: JSON of whatever it is, or bytes as they are."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        extra = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"} | headers
        return self.browser.generic(
            method, f"{ROOT}{path}", raw, content_type="application/json",
            HTTP_HOST=settings.ALLOWED_HOSTS[0], **extra,
        )  # fmt: skip


def code_of(answer: Any) -> tuple[int, str]:
    """Status and code of a problem, which looks as RFC 9457 has it."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    told = answer.json()
    assert told.keys() >= {"type", "title", "status", "code", "detail"}
    assert told["status"] == answer.status_code
    return answer.status_code, told["code"]
