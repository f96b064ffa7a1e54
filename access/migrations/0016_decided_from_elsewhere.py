"""Who administers every organisation decides in the reviews of another one, too."""

from django.db import migrations

from core.migrations_sql import same_organisation

KEPT = same_organisation("access_accessreviewitem", "decided_by_id", "accounts_user")


class Migration(migrations.Migration):
    dependencies = [("access", "0015_conditions_of_live_grants")]
    operations = [migrations.RunSQL(KEPT.reverse_sql, KEPT.sql)]
