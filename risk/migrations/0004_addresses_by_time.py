from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # people sign in while this runs
    dependencies = [("risk", "0003_words")]

    operations = [
        AddIndexConcurrently(
            model_name="signin",
            index=models.Index(
                condition=models.Q(("address__isnull", False)),
                fields=["at"],
                name="risk_addresses_by_time",
            ),
        ),
    ]
