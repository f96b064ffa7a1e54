"""The one type for anticipated refusals, and every refusal there is.

`detail` is safe for a stranger; the private reason belongs into the audit trail. A `Refusal` is
never logged as an error, and is turned into an answer in exactly one place per channel.
Imports no Django, since policy uses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)  # not frozen: contextlib writes an exception's traceback
class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """An anticipated "no".

    code: the protocol's error code (RFC 6749 §5.2, §4.1.2.1; RFC 6750 §3.1; RFC 9470 §3).
    status: HTTP status for channels that have one.
    """

    code: str
    detail: str
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @staticmethod
    def invalid_request(detail: str) -> "Refusal":
        return Refusal("invalid_request", detail)

    @staticmethod
    def invalid_client(detail: str = "Client authentication failed.") -> "Refusal":
        challenge = {"WWW-Authenticate": 'Basic realm="sallyport"'}
        return Refusal("invalid_client", detail, 401, challenge)

    @staticmethod
    def invalid_grant(detail: str) -> "Refusal":
        return Refusal("invalid_grant", detail)

    @staticmethod
    def unauthorized_client(detail: str) -> "Refusal":
        return Refusal("unauthorized_client", detail)

    @staticmethod
    def unsupported_grant_type(detail: str) -> "Refusal":
        return Refusal("unsupported_grant_type", detail)

    @staticmethod
    def unsupported_response_type(detail: str) -> "Refusal":
        return Refusal("unsupported_response_type", detail)

    @staticmethod
    def invalid_scope(detail: str) -> "Refusal":
        return Refusal("invalid_scope", detail)

    @staticmethod
    def access_denied(detail: str) -> "Refusal":
        return Refusal("access_denied", detail, 403)

    @staticmethod
    def login_required(detail: str) -> "Refusal":
        return Refusal("login_required", detail)

    @staticmethod
    def consent_required(detail: str) -> "Refusal":
        return Refusal("consent_required", detail)

    @staticmethod
    def interaction_required(detail: str) -> "Refusal":
        return Refusal("interaction_required", detail)

    @staticmethod
    def invalid_token(detail: str) -> "Refusal":
        return Refusal(
            "invalid_token", detail, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        )

    @staticmethod
    def insufficient_scope(scope: str) -> "Refusal":
        return Refusal(
            "insufficient_scope",
            f"This needs the scope {scope}.",
            403,
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )

    @staticmethod
    def insufficient_user_authentication(*, acr: str, max_age: int | None = None) -> "Refusal":
        challenge = f'Bearer error="insufficient_user_authentication", acr_values="{acr}"'
        if max_age is not None:
            challenge += f', max_age="{max_age}"'
        return Refusal(
            "insufficient_user_authentication",
            "A stronger or more recent sign-in is needed.",
            401,
            {"WWW-Authenticate": challenge},
        )

    @staticmethod
    def too_many_attempts(retry_after: int) -> "Refusal":
        """retry_after: whole seconds."""
        return Refusal(
            "too_many_attempts",
            "Too many attempts. Please wait and try again.",
            429,
            {"Retry-After": str(max(1, retry_after))},
        )

    @staticmethod
    def not_found(detail: str = "There is nothing here.") -> "Refusal":
        return Refusal("not_found", detail, 404)

    @staticmethod
    def not_allowed(detail: str) -> "Refusal":
        return Refusal("not_allowed", detail, 403)

    @staticmethod
    def conflict(detail: str) -> "Refusal":
        return Refusal("conflict", detail, 409)

    @staticmethod
    def unavailable(detail: str = "This is not possible now. Please try again.") -> "Refusal":
        return Refusal("temporarily_unavailable", detail, 503, {"Retry-After": "5"})
