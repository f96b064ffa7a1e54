from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("mfa", "0001_initial"), ("accounts", "0001_initial")]
    operations = [
        same_organisation("mfa_totpfactor", "user_id", "accounts_user"),
        same_organisation("mfa_passkeyfactor", "user_id", "accounts_user"),
        same_organisation("mfa_recoverycodesfactor", "user_id", "accounts_user"),
    ]
