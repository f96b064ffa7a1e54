from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table is large, and written to while this runs
    dependencies = [("audit", "0003_by_person")]

    operations = [
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("device_id__isnull", False)),
                fields=["device_id", "-at"],
                name="audit_by_device",
            ),
        ),
    ]
