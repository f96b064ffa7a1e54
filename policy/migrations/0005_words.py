"""Names of models, as pages show them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("policy", "0004_approved_by_others"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="decisionbatch",
            options={"verbose_name_plural": "decisions"},
        ),
    ]
