"""Changes of people, credentials, roles and invitations: one transaction each, ending in audit.

Split by noun; import from here.
"""

from accounts.flows.credentials import (
    change_password,
    forget_password,
    note_email_change,
    rotate_security_stamp,
    unlock_account,
)
from accounts.flows.elevation import (
    Bounds,
    Condition,
    elevate,
    end_elevation,
    move_elevation_end,
    resume_elevation,
    standing_roles,
    suspend_elevation,
)
from accounts.flows.invitations import accept_invitation, find_invitation, invite
from accounts.flows.locks import (
    canonical,
    find_lock,
    find_target,
    is_locked_out,
    lift_by_recovery,
    lift_lock,
    place_lock,
)
from accounts.flows.outbox import deliver_due_mail, purge_mail
from accounts.flows.people import (
    create_organisation,
    deactivate_organisation,
    deactivate_user,
    discard_unverified,
    make_administrator,
    note_registration,
    note_repeated_sign_up,
    purge_unverified,
    reactivate_user,
)
from accounts.flows.permissions import (
    check_may_give,
    give_permission,
    held_permissions,
    take_permission,
)
from accounts.flows.profiles import ADDRESS_PARTS, CLAIMS, profile_of, update_profile
from accounts.flows.resources import register_resource, remove_resource, update_resource
from accounts.flows.roles import (
    add_group_member,
    assign_role,
    create_group,
    create_role,
    end_role_assignment,
    expire_due_role_assignments,
    give_group_role,
    held_roles,
    remove_group_member,
    take_group_role,
    update_role,
)

__all__ = [
    "ADDRESS_PARTS",
    "CLAIMS",
    "Bounds",
    "Condition",
    "accept_invitation",
    "add_group_member",
    "assign_role",
    "canonical",
    "change_password",
    "check_may_give",
    "create_group",
    "create_organisation",
    "create_role",
    "deactivate_organisation",
    "deactivate_user",
    "deliver_due_mail",
    "discard_unverified",
    "elevate",
    "end_elevation",
    "end_role_assignment",
    "expire_due_role_assignments",
    "find_invitation",
    "find_lock",
    "find_target",
    "forget_password",
    "give_group_role",
    "give_permission",
    "held_permissions",
    "held_roles",
    "invite",
    "is_locked_out",
    "lift_by_recovery",
    "lift_lock",
    "make_administrator",
    "move_elevation_end",
    "note_email_change",
    "note_registration",
    "note_repeated_sign_up",
    "place_lock",
    "profile_of",
    "purge_mail",
    "purge_unverified",
    "reactivate_user",
    "register_resource",
    "remove_group_member",
    "remove_resource",
    "resume_elevation",
    "rotate_security_stamp",
    "standing_roles",
    "suspend_elevation",
    "take_group_role",
    "take_permission",
    "unlock_account",
    "update_profile",
    "update_resource",
    "update_role",
]
