"""Every audit event there is, as `app.noun.past_verb`. docs/audit-events.md explains each."""

from enum import StrEnum


class Event(StrEnum):
    ACCOUNT_LOCKED = "accounts.account.locked"
    ACCOUNT_UNLOCKED = "accounts.account.unlocked"
    ADMINISTRATOR_MADE = "accounts.administrator.made"
    EMAIL_CHANGED = "accounts.email.changed"
    EMAIL_VERIFIED = "accounts.email.verified"
    GROUP_CREATED = "accounts.group.created"
    GROUP_MEMBER_ADDED = "accounts.group.member_added"
    GROUP_MEMBER_REMOVED = "accounts.group.member_removed"
    GROUP_ROLE_ADDED = "accounts.group.role_added"
    GROUP_ROLE_REMOVED = "accounts.group.role_removed"
    INVITATION_ACCEPTED = "accounts.invitation.accepted"
    INVITATION_CREATED = "accounts.invitation.created"
    LOGIN_FAILED = "accounts.login.failed"
    ORGANISATION_CREATED = "accounts.organisation.created"
    ORGANISATION_DEACTIVATED = "accounts.organisation.deactivated"
    PASSWORD_CHANGED = "accounts.password.changed"  # noqa: S105
    PASSWORD_DISCARDED = "accounts.password.discarded"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "accounts.password.reset_requested"  # noqa: S105
    ROLE_ASSIGNED = "accounts.role.assigned"
    ROLE_CREATED = "accounts.role.created"
    ROLE_EXPIRED = "accounts.role.expired"
    ROLE_REVOKED = "accounts.role.revoked"
    ROLE_UPDATED = "accounts.role.updated"
    USER_DEACTIVATED = "accounts.user.deactivated"
    USER_DISCARDED = "accounts.user.discarded"
    USER_REACTIVATED = "accounts.user.reactivated"
    USER_REGISTERED = "accounts.user.registered"

    DEVICE_SEEN_FIRST = "devices.device.first_seen"

    AUTHORIZATION_DENIED = "idp.authorization.denied"
    CLIENT_DEACTIVATED = "idp.client.deactivated"
    CLIENT_REGISTERED = "idp.client.registered"
    CLIENT_SECRET_ROTATED = "idp.client.secret_rotated"  # noqa: S105
    CLIENT_UPDATED = "idp.client.updated"
    CODE_ISSUED = "idp.code.issued"
    CODE_MISUSED = "idp.code.misused"
    CODE_REDEEMED = "idp.code.redeemed"
    CODE_REPLAYED = "idp.code.replayed"
    CONSENT_GRANTED = "idp.consent.granted"
    CONSENT_REVOKED = "idp.consent.revoked"
    REFRESH_FAMILY_RETIRED = "idp.refresh_family.retired"
    REFRESH_FAMILY_REVOKED = "idp.refresh_family.revoked"
    REFRESH_TOKEN_REPLAYED = "idp.refresh_token.replayed"  # noqa: S105
    REFRESH_TOKEN_ROTATED = "idp.refresh_token.rotated"  # noqa: S105
    SIGNING_KEY_ACTIVATED = "idp.signing_key.activated"
    SIGNING_KEY_CREATED = "idp.signing_key.created"
    SIGNING_KEY_RETIRED = "idp.signing_key.retired"
    TOKEN_ISSUED = "idp.token.issued"  # noqa: S105
    TOKEN_REFUSED = "idp.token.refused"  # noqa: S105
    TOKEN_REVOKED = "idp.token.revoked"  # noqa: S105

    CHALLENGE_FAILED = "mfa.challenge.failed"
    CHALLENGE_PASSED = "mfa.challenge.passed"
    FACTOR_ADDED = "mfa.factor.added"
    FACTOR_REMOVED = "mfa.factor.removed"
    FACTOR_RENAMED = "mfa.factor.renamed"
    PASSKEY_COUNTER_REGRESSED = "mfa.passkey.counter_regressed"
    RECOVERY_CODES_CREATED = "mfa.recovery_codes.created"
    RECOVERY_CODE_USED = "mfa.recovery_code.used"

    DATA_KEY_CHANGED = "protection.data_key.changed"

    ASSURANCE_RAISED = "sessions.assurance.raised"
    SESSION_DENIED = "sessions.session.denied"
    SESSION_ENDED = "sessions.session.ended"
    SESSION_STARTED = "sessions.session.started"
