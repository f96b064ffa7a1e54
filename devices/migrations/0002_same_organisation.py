from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial"), ("accounts", "0001_initial")]
    operations = [same_organisation("devices_device", "user_id", "accounts_user")]
