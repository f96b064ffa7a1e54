from django.db import migrations

OLD, NEW = (
    f"idp_sessions_loginsession_{column}_organisation" for column in ("device_id", "browser_id")
)
RENAME = 'ALTER TABLE "idp_sessions_loginsession" RENAME CONSTRAINT "{}" TO "{}"'


class Migration(migrations.Migration):
    dependencies = [("idp_sessions", "0004_end_reasons"), ("devices", "0003_browser")]
    operations = [
        migrations.RenameField("loginsession", "device", "browser"),
        migrations.RunSQL(RENAME.format(OLD, NEW), RENAME.format(NEW, OLD)),
    ]
