"""What is live goes on under the conditions that it began on, and that are asked for today."""

from django.db import migrations, models


def _keep(table: str, more: str = "") -> str:
    return f"""
UPDATE {table} held SET rules = jsonb_build_object(
    'conditions', (SELECT jsonb_agg(DISTINCT body)
                     FROM unnest(ARRAY[g.terms ->> 'condition', e.condition]) body
                    WHERE body <> ''),
    'request', jsonb_build_object(
      'reason', g.terms -> 'reason', 'ticket', g.terms -> 'ticket',
      'roles', (SELECT jsonb_agg(role -> 'name')
                  FROM jsonb_array_elements(g.terms -> 'roles') role),
      'duration', g.terms -> 'duration', 'starts_in', 0),
    'workload', COALESCE(g.terms #>> '{{workload,name}}', ''){more})
  FROM access_grant g JOIN access_entitlement e ON e.id = g.entitlement_id
 WHERE g.id = held.grant_id AND held.ended_at IS NULL AND held.rules IS NULL
   AND (g.terms ->> 'condition' <> '' OR e.condition <> '');
"""


KEEP = _keep("accounts_roleassignment") + _keep(
    "access_workloadrole", ", 'address', COALESCE(host(g.address), '')"
)


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0014_publication_kept"),
        ("accounts", "0011_conditions_of_roles"),
    ]
    operations = [
        migrations.AddField(
            model_name="workloadrole", name="rules", field=models.JSONField(null=True)
        ),
        migrations.RunSQL(KEEP, migrations.RunSQL.noop),
    ]
