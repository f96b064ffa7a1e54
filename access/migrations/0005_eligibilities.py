from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("access", "0004_review")]

    operations = [
        migrations.AlterModelOptions(
            name="eligibility",
            options={
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "verbose_name_plural": "eligibilities",
            },
        ),
    ]
