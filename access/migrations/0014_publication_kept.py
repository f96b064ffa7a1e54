"""A version of policy counts by what others have agreed to, and the database looks for itself."""

from django.db import migrations

TERMS = (
    "id", "organisation_id", "entitlement_id", "entitlement_version", "requester_id", "reason",
    "ticket", "duration", "terms", "terms_digest", "is_break_glass", "extends_id",
    "reused_from_id", "starts_at", "requested_at", "requested_session_id", "requested_address",
    "pending_until", "workload_id",
)  # fmt: skip
ACTIVATION = ("approved_at", "activated_at", "session_id", "device_id", "address")
TRANSITIONS = """
  ('approval_awaited', 'scheduled'), ('approval_awaited', 'denied'),
  ('approval_awaited', 'expired'), ('approval_awaited', 'cancelled'),
  ('scheduled', 'active'), ('scheduled', 'activation_failed'), ('scheduled', 'expired'),
  ('scheduled', 'cancelled'), ('scheduled', 'revoked'),
  ('active', 'suspended'), ('active', 'ended'), ('active', 'revoked'),
  ('suspended', 'active'), ('suspended', 'ended'), ('suspended', 'revoked')
"""


def row(alias: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)


def keep_grant(terms: tuple[str, ...], transitions: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION access_keep_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({row("NEW", terms)}) IS DISTINCT FROM ({row("OLD", terms)}) THEN
    RAISE EXCEPTION 'the terms of a request are never changed' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {transitions}) THEN
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
"""


CHECK_PERSONS = """
  requester uuid := (SELECT person_id FROM accounts_user WHERE id = NEW.requester_id);
  approver uuid := (SELECT person_id FROM accounts_user WHERE id = NEW.approver_id);
BEGIN
  IF NEW.requester_person IS DISTINCT FROM requester
     OR NEW.approver_person IS DISTINCT FROM approver THEN
    RAISE EXCEPTION 'an answer names other persons' USING ERRCODE = 'check_violation';
  END IF;
"""
KEEP = f"""
{keep_grant((*TERMS, "policy_version_id"), TRANSITIONS + ", ('scheduled', 'published')")}

CREATE FUNCTION access_check_kind() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_publication boolean :=
    (SELECT kind = 'publication' FROM access_entitlement WHERE id = NEW.entitlement_id);
BEGIN
  IF is_publication IS DISTINCT FROM (NEW.policy_version_id IS NOT NULL)
     OR NEW.policy_version_id::text IS DISTINCT FROM NEW.terms #>> '{{publication,version}}' THEN
    RAISE EXCEPTION 'a request is for roles, or for one version of policy'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_check_kind BEFORE INSERT ON access_grant
  FOR EACH ROW EXECUTE FUNCTION access_check_kind();
CREATE TRIGGER access_keep_kind BEFORE UPDATE ON access_entitlement
  FOR EACH ROW WHEN (OLD.kind IS DISTINCT FROM NEW.kind) EXECUTE FUNCTION access_refuse_change();

CREATE OR REPLACE FUNCTION access_check_persons() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  author uuid := (
    SELECT u.person_id FROM access_grant g
    JOIN policy_policyversion v ON v.id = g.policy_version_id
    JOIN accounts_user u ON u.id = v.author_id
    WHERE g.id = NEW.grant_id
  );
{CHECK_PERSONS}
  IF NEW.approver_person = author THEN
    RAISE EXCEPTION 'nobody answers for a policy that they wrote' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION access_check_publication() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.is_rollback AND NEW.approval_id IS NOT NULL OR NOT NEW.is_rollback AND NOT EXISTS (
    SELECT 1 FROM access_grant g
    JOIN access_approval a ON a.grant_id = g.id AND a.verdict = 'approve'
    WHERE g.id = NEW.approval_id AND g.state = 'published'
      AND g.policy_version_id = NEW.version_id AND g.requester_id = NEW.publisher_id
  ) THEN
    RAISE EXCEPTION 'nobody else has agreed to this version' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_check_publication BEFORE INSERT ON policy_publication
  FOR EACH ROW EXECUTE FUNCTION access_check_publication();
"""
LET_GO = f"""
DROP TRIGGER access_check_publication ON policy_publication;
DROP FUNCTION access_check_publication();
CREATE OR REPLACE FUNCTION access_check_persons() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
{CHECK_PERSONS}
  RETURN NEW;
END $$;
DROP TRIGGER access_keep_kind ON access_entitlement;
DROP TRIGGER access_check_kind ON access_grant;
DROP FUNCTION access_check_kind();
{keep_grant(TERMS, TRANSITIONS)}
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0013_publication"), ("policy", "0004_approved_by_others")]
    operations = [migrations.RunSQL(KEEP, LET_GO)]
