"""Functions that a statement asks about locks where its organisation has any.

What a statement has for a case that is rare is made ready at every use all the same; a function is
when it is called. STABLE: it sees what the statement sees that calls it.
"""

from django.db import migrations

_LIVE = "l.lifted_at IS NULL AND (l.ends_at IS NULL OR l.ends_at > statement_timestamp() + clock_offset)"
MAKE = f"""
CREATE FUNCTION sessions_locks(
  of_session uuid, of_client text, from_address inet, clock_offset interval) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
  s idp_sessions_loginsession;
  targets text[];
BEGIN
  SELECT * INTO STRICT s FROM idp_sessions_loginsession WHERE id = of_session;
  targets := ARRAY[CAST(s.user_id AS text), CAST(s.id AS text), of_client]
    || ARRAY(SELECT CAST(b.device_id AS text) FROM devices_browser b WHERE b.id = s.browser_id)
    || CAST(s.credentials AS text[]);
  RETURN ARRAY(
    SELECT l.target_type FROM accounts_lock l
     WHERE l.organisation_id = s.organisation_id AND l.target = ANY (targets)
       AND l.target_type NOT IN ('address', 'role') AND {_LIVE}
     UNION ALL
    SELECT l.target_type FROM accounts_lock l
     WHERE l.organisation_id = s.organisation_id AND l.target_type = 'address' AND {_LIVE}
       AND CASE WHEN l.target_type = 'address'
                THEN CAST(l.target AS inet) >>= ANY (ARRAY[s.address, from_address]) END);
END $$;
COMMENT ON FUNCTION sessions_locks IS
  'The kinds of targets that are locked, of those that a session stands on. Ids are unique, so a '
  'target tells its kind. A role that is locked is dropped where roles are read.';

CREATE FUNCTION sessions_is_role_locked(
  of_role uuid, of_organisation uuid, clock_offset interval) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
  RETURN EXISTS (
    SELECT 1 FROM accounts_lock l
     WHERE l.organisation_id = of_organisation AND l.target = CAST(of_role AS text)
       AND l.target_type = 'role' AND {_LIVE});
END $$;
"""
DROP = """
DROP FUNCTION sessions_locks(uuid, text, inet, interval);
DROP FUNCTION sessions_is_role_locked(uuid, uuid, interval);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_locks_and_tiers"),
        ("devices", "0003_browser"),
        ("idp_sessions", "0009_bound_key"),
    ]
    operations = [migrations.RunSQL(MAKE, DROP)]
