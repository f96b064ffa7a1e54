"""Names of models, as pages show them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0002_history"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="signin",
            options={
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "verbose_name": "sign-in",
            },
        ),
    ]
