from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("idp_sessions", "0001_initial"), ("devices", "0001_initial")]
    operations = [
        same_organisation("idp_sessions_loginsession", "user_id", "accounts_user"),
        same_organisation("idp_sessions_loginsession", "device_id", "devices_device"),
    ]
