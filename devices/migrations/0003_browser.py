"""What was called a device is a browser; a device is the machine that it runs on."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def rename_constraint(table: str, old: str, new: str) -> migrations.RunSQL:
    rename = 'ALTER TABLE "{}" RENAME CONSTRAINT "{}" TO "{}"'
    return migrations.RunSQL(rename.format(table, old, new), rename.format(table, new, old))


def rename_index(old: str, new: str) -> migrations.RunSQL:
    rename = 'ALTER INDEX "{}" RENAME TO "{}"'
    return migrations.RunSQL(rename.format(old, new), rename.format(new, old))


ONCE = models.UniqueConstraint(fields=["user", "cookie_digest"], name="devices_browser_once")
SCOPED = models.UniqueConstraint(fields=["id", "organisation"], name="devices_browser_organisation")


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0002_same_organisation"),
        ("idp_sessions", "0004_end_reasons"),  # which mean a browser by the former name
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.RenameModel("Device", "Browser"),
        migrations.AlterField(
            "browser",
            "user",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                django.db.models.deletion.CASCADE,
                related_name="browsers",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                rename_constraint(
                    "devices_browser", "devices_one_per_user_and_cookie", "devices_browser_once"
                ),
                rename_constraint(
                    "devices_browser", "devices_organisation", "devices_browser_organisation"
                ),
                rename_constraint(
                    "devices_browser",
                    "devices_device_user_id_organisation",
                    "devices_browser_user_id_organisation",
                ),
                # The table of devices wants these names.
                *(
                    rename_index(f"devices_device_{name}", f"devices_browser_{name}")
                    for name in ("pkey", "organisation_id_3c8ca159", "user_id_6752bd43")
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint("browser", "devices_one_per_user_and_cookie"),
                migrations.RemoveConstraint("browser", "devices_organisation"),
                migrations.AddConstraint("browser", ONCE),
                migrations.AddConstraint("browser", SCOPED),
            ],
        ),
    ]
