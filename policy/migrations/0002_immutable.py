from django.db import migrations

REFUSE = """
ALTER TABLE policy_publication ADD CONSTRAINT policy_publication_of_version
  FOREIGN KEY (version_id, revision) REFERENCES policy_policyversion (id, revision)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE policy_publication ADD CONSTRAINT policy_publication_of_author
  FOREIGN KEY (version_id, author_id) REFERENCES policy_policyversion (id, author_id)
  DEFERRABLE INITIALLY DEFERRED;
CREATE FUNCTION policy_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'versions of policy are never changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER policy_version_no_delete BEFORE DELETE ON policy_policyversion
  FOR EACH ROW EXECUTE FUNCTION policy_refuse_change();
CREATE TRIGGER policy_version_no_update BEFORE UPDATE ON policy_policyversion
  FOR EACH ROW WHEN (
    OLD.signature <> '' OR
    (OLD.id, OLD.revision, OLD.modules, OLD.note, OLD.author_id, OLD.check_result, OLD.created_at)
    IS DISTINCT FROM
    (NEW.id, NEW.revision, NEW.modules, NEW.note, NEW.author_id, NEW.check_result, NEW.created_at)
  ) EXECUTE FUNCTION policy_refuse_change();
CREATE TRIGGER policy_publication_no_delete BEFORE DELETE ON policy_publication
  FOR EACH ROW EXECUTE FUNCTION policy_refuse_change();
CREATE TRIGGER policy_publication_no_update BEFORE UPDATE ON policy_publication
  FOR EACH ROW WHEN (
    OLD.ended_at IS NOT NULL OR
    (OLD.id, OLD.version_id, OLD.revision, OLD.author_id, OLD.publisher_id, OLD.approval_id,
     OLD.is_rollback, OLD.restores_id, OLD.follows_id, OLD.published_at)
    IS DISTINCT FROM
    (NEW.id, NEW.version_id, NEW.revision, NEW.author_id, NEW.publisher_id, NEW.approval_id,
     NEW.is_rollback, NEW.restores_id, NEW.follows_id, NEW.published_at)
  ) EXECUTE FUNCTION policy_refuse_change();
"""
ALLOW = """
DROP TRIGGER policy_publication_no_update ON policy_publication;
DROP TRIGGER policy_publication_no_delete ON policy_publication;
DROP TRIGGER policy_version_no_update ON policy_policyversion;
DROP TRIGGER policy_version_no_delete ON policy_policyversion;
DROP FUNCTION policy_refuse_change();
ALTER TABLE policy_publication DROP CONSTRAINT policy_publication_of_author;
ALTER TABLE policy_publication DROP CONSTRAINT policy_publication_of_version;
"""


class Migration(migrations.Migration):
    dependencies = [("policy", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
