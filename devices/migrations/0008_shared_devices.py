import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0007_confirmed_names")]

    operations = [
        migrations.AlterField(
            model_name="enrolment",
            name="device",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="devices.device",
            ),
        ),
    ]
