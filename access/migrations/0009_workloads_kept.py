"""Whose workload a grant is for stays; whoever answers for a workload approves nothing of it."""

from importlib import import_module

from django.db import migrations

from core.migrations_sql import same_organisation

def _keep(columns: str) -> str:
    """`access_keep_grant` as 0002 has it, over these columns of the terms."""
    before = import_module("access.migrations.0002_kept_by_the_database")
    terms = (*before.TERMS, *columns.split())
    text: str = before.KEEP
    body = text[: text.index("CREATE TRIGGER access_keep_terms")]
    for alias in ("NEW", "OLD"):
        body = body.replace(before.row(alias, before.TERMS), before.row(alias, terms))
    return body.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


ANSWERS_FOR = """
CREATE FUNCTION access_check_workload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM access_grant g
      JOIN access_workload w ON w.id = g.workload_id
      JOIN accounts_user u ON u.id = w.responsible_id
     WHERE g.id = NEW.grant_id AND u.person_id = NEW.approver_person) THEN
    RAISE EXCEPTION 'nobody answers what their own workload asks for'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_check_workload BEFORE INSERT ON access_approval
  FOR EACH ROW EXECUTE FUNCTION access_check_workload();
"""
DROP = """
DROP TRIGGER access_check_workload ON access_approval;
DROP FUNCTION access_check_workload();
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0008_workloads"), ("accounts", "0009_person")]
    operations = [
        same_organisation("access_workload", "responsible_id", "accounts_user"),
        same_organisation("access_eligibility", "workload_id", "access_workload"),
        same_organisation("access_grant", "workload_id", "access_workload"),
        same_organisation("access_workloadrole", "workload_id", "access_workload"),
        same_organisation("access_workloadrole", "grant_id", "access_grant"),
        same_organisation("access_workloadrole", "role_id", "accounts_role"),
        same_organisation("access_workloadcondition", "workload_role_id", "access_workloadrole"),
        migrations.RunSQL(_keep("workload_id"), _keep("")),
        migrations.RunSQL(ANSWERS_FOR, DROP),
    ]
