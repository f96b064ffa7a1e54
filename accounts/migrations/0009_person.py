from django.db import migrations, models

import core.ids

# Every account that is there gets a value of its own, and so does one that the previous release makes.
ADD = "ALTER TABLE accounts_user ADD COLUMN person_id uuid NOT NULL DEFAULT gen_random_uuid()"
DROP = "ALTER TABLE accounts_user DROP COLUMN person_id"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_permissions_and_resources")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(ADD, DROP),
                migrations.RunSQL(
                    "CREATE INDEX accounts_user_person ON accounts_user (person_id)",
                    "DROP INDEX accounts_user_person",
                ),
            ],
            state_operations=[
                migrations.AddField(
                    "user",
                    "person_id",
                    models.UUIDField(default=core.ids.new_id, editable=False),
                ),
                migrations.AddIndex(
                    "user", models.Index(fields=["person_id"], name="accounts_user_person")
                ),
            ],
        )
    ]
