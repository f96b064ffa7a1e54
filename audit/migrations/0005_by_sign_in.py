from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table is large, and written to while this runs
    dependencies = [("audit", "0004_by_device")]

    operations = [
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("event", "sessions.session.started")),
                fields=["organisation_id", "-at"],
                name="audit_by_sign_in",
            ),
        ),
    ]
