"""What is written of a request stays: its terms, its answers, its timeline, and that it is over."""

from typing import Any

from django.conf import settings
from django.db import migrations

from core.migrations_sql import same_organisation

OWN_ANSWERS = "access_approval_of_the_requester"
TRANSITIONS = """
  ('approval_awaited', 'scheduled'), ('approval_awaited', 'denied'),
  ('approval_awaited', 'expired'), ('approval_awaited', 'cancelled'),
  ('scheduled', 'active'), ('scheduled', 'activation_failed'), ('scheduled', 'expired'),
  ('scheduled', 'cancelled'), ('scheduled', 'revoked'),
  ('active', 'suspended'), ('active', 'ended'), ('active', 'revoked'),
  ('suspended', 'active'), ('suspended', 'ended'), ('suspended', 'revoked')
"""
TERMS = (
    "id", "organisation_id", "entitlement_id", "entitlement_version", "requester_id", "reason",
    "ticket", "duration", "terms", "terms_digest", "is_break_glass", "extends_id",
    "reused_from_id", "starts_at", "requested_at", "requested_session_id", "requested_address",
    "pending_until",
)  # fmt: skip
ACTIVATION = ("approved_at", "activated_at", "session_id", "device_id", "address")


def row(alias: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)


KEEP = f"""
CREATE FUNCTION access_keep_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({row("NEW", TERMS)}) IS DISTINCT FROM ({row("OLD", TERMS)}) THEN
    RAISE EXCEPTION 'the terms of a request are never changed' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {TRANSITIONS}) THEN
    RAISE EXCEPTION 'a grant does not go from % to %', OLD.state, NEW.state
      USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.activated_at IS NOT NULL
     AND ({row("NEW", ACTIVATION)}) IS DISTINCT FROM ({row("OLD", ACTIVATION)}) THEN
    RAISE EXCEPTION 'an activation is never changed' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.ends_at > OLD.ends_at THEN
    RAISE EXCEPTION 'a grant is never made longer' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_keep_terms BEFORE UPDATE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION access_keep_grant();

CREATE FUNCTION access_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER access_no_delete BEFORE DELETE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_no_truncate BEFORE TRUNCATE ON access_grant
  FOR EACH STATEMENT EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_append_only BEFORE UPDATE OR DELETE ON access_grantevent
  FOR EACH ROW EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_no_truncate BEFORE TRUNCATE ON access_grantevent
  FOR EACH STATEMENT EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_append_only BEFORE UPDATE OR DELETE ON access_approval
  FOR EACH ROW EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_no_truncate BEFORE TRUNCATE ON access_approval
  FOR EACH STATEMENT EXECUTE FUNCTION access_refuse_change();
ALTER TABLE access_approval ADD CONSTRAINT {OWN_ANSWERS}
  FOREIGN KEY (grant_id, requester_id) REFERENCES access_grant (id, requester_id);
"""
LET_GO = f"""
ALTER TABLE access_approval DROP CONSTRAINT {OWN_ANSWERS};
DROP TRIGGER access_no_truncate ON access_approval;
DROP TRIGGER access_append_only ON access_approval;
DROP TRIGGER access_no_truncate ON access_grantevent;
DROP TRIGGER access_append_only ON access_grantevent;
DROP TRIGGER access_no_truncate ON access_grant;
DROP TRIGGER access_no_delete ON access_grant;
DROP FUNCTION access_refuse_change();
DROP TRIGGER access_keep_terms ON access_grant;
DROP FUNCTION access_keep_grant();
"""


def take_rights(apps: Any, schema_editor: Any) -> None:
    """The runtime role may insert and read, wherever that role exists."""
    role = settings.DATABASE_RUNTIME_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [role])
        if cursor.fetchone():
            quoted = schema_editor.quote_name(role)
            for table in ("access_grantevent", "access_approval"):
                cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {quoted}")
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON access_grant FROM {quoted}")


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial"), ("accounts", "0002_same_organisation")]
    operations = [
        *(
            same_organisation(f"access_{table}", "entitlement_id", "access_entitlement")
            for table in ("entitlementrole", "stage", "eligibility", "grant")
        ),
        same_organisation("access_entitlementrole", "role_id", "accounts_role"),
        same_organisation("access_stageapprover", "stage_id", "access_stage"),
        *(
            same_organisation(f"access_{table}", f"{who}_id", f"accounts_{who}")
            for table in ("stageapprover", "eligibility")
            for who in ("user", "group")
        ),
        same_organisation("access_stageapprover", "role_id", "accounts_role"),
        same_organisation("access_grant", "requester_id", "accounts_user"),
        same_organisation("access_grant", "reviewed_by_id", "accounts_user"),
        same_organisation("access_grant", "extends_id", "access_grant"),
        same_organisation("access_grant", "reused_from_id", "access_grant"),
        same_organisation("access_approval", "grant_id", "access_grant"),
        same_organisation("access_approval", "approver_id", "accounts_user"),
        same_organisation("access_grantevent", "grant_id", "access_grant"),
        migrations.RunSQL(KEEP, LET_GO),
        migrations.RunPython(take_rights, migrations.RunPython.noop),
    ]
