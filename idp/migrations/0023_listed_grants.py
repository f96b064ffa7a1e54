"""A place in a status list knows the grants that its token rests on."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("idp", "0022_forward_sessions_in_use")]
    operations = [
        migrations.AddField(
            model_name="listedtoken",
            name="grants",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), null=True, size=None
            ),
        ),
    ]
