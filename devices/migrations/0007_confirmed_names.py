from django.db import migrations, models
from django.db.models import F


def confirm(apps, schema_editor):
    """Until now only administrators wrote names down."""
    apps.get_model("devices", "DeviceIdentifier").unscoped.update(confirmed_at=F("added_at"))


class Migration(migrations.Migration):
    dependencies = [("devices", "0006_connectors")]
    operations = [
        migrations.AddField(
            model_name="deviceidentifier",
            name="confirmed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(confirm, migrations.RunPython.noop),
        migrations.RemoveConstraint(
            model_name="deviceidentifier", name="devices_identifier_once"
        ),
        migrations.AddConstraint(
            model_name="deviceidentifier",
            constraint=models.UniqueConstraint(
                condition=models.Q(("confirmed_at__isnull", False)),
                fields=("organisation", "kind", "value"),
                name="devices_identifier_confirmed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="deviceidentifier",
            constraint=models.UniqueConstraint(
                fields=("device", "kind", "value"), name="devices_identifier_of_device_once"
            ),
        ),
    ]
