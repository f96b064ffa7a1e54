"""An answer names whose accounts they are as they are linked: the database looks for itself."""

from django.db import migrations

CHECK = """
CREATE FUNCTION access_check_persons() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  requester uuid := (SELECT person_id FROM accounts_user WHERE id = NEW.requester_id);
  approver uuid := (SELECT person_id FROM accounts_user WHERE id = NEW.approver_id);
BEGIN
  IF NEW.requester_person IS DISTINCT FROM requester
     OR NEW.approver_person IS DISTINCT FROM approver THEN
    RAISE EXCEPTION 'an answer names other persons' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_check_persons BEFORE INSERT ON access_approval
  FOR EACH ROW EXECUTE FUNCTION access_check_persons();
"""
DROP = """
DROP TRIGGER access_check_persons ON access_approval;
DROP FUNCTION access_check_persons();
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0002_kept_by_the_database"), ("accounts", "0009_person")]
    operations = [migrations.RunSQL(CHECK, DROP)]
