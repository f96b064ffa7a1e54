"""A publication says why somebody went back, and uses each approval once."""

from django.db import migrations, models

KEPT = (
    "id", "version_id", "revision", "author_id", "publisher_id", "approval_id", "is_rollback",
    "restores_id", "follows_id", "published_at",
)  # fmt: skip


def refuse_changes_of(*columns: str) -> str:
    old, new = (", ".join(f"{row}.{each}" for each in columns) for row in ("OLD", "NEW"))
    return f"""
DROP TRIGGER policy_publication_no_update ON policy_publication;
CREATE TRIGGER policy_publication_no_update BEFORE UPDATE ON policy_publication
  FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL OR ({old}) IS DISTINCT FROM ({new}))
  EXECUTE FUNCTION policy_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("policy", "0003_decision_batch")]

    operations = [
        migrations.RemoveConstraint(model_name="publication", name="policy_published_by_another"),
        migrations.AddField(
            model_name="publication",
            name="reason",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddConstraint(
            model_name="publication",
            constraint=models.UniqueConstraint(
                fields=("approval_id",), name="policy_approval_once"
            ),
        ),
        migrations.RunSQL(refuse_changes_of(*KEPT, "reason"), refuse_changes_of(*KEPT)),
    ]
