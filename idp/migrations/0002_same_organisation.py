from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("idp", "0001_initial"), ("idp_sessions", "0002_same_organisation")]
    operations = [
        same_organisation("idp_authorizationrequest", "client_id", "idp_client"),
        same_organisation("idp_authorizationcode", "client_id", "idp_client"),
        same_organisation("idp_authorizationcode", "user_id", "accounts_user"),
        same_organisation("idp_authorizationcode", "session_id", "idp_sessions_loginsession"),
        same_organisation("idp_refreshfamily", "client_id", "idp_client"),
        same_organisation("idp_refreshfamily", "user_id", "accounts_user"),
        same_organisation("idp_refreshfamily", "session_id", "idp_sessions_loginsession"),
        same_organisation("idp_consent", "client_id", "idp_client"),
        same_organisation("idp_consent", "user_id", "accounts_user"),
        migrations.RunSQL(
            "ALTER TABLE idp_refreshfamily SET (fillfactor = 70)",
            "ALTER TABLE idp_refreshfamily RESET (fillfactor)",
        ),
    ]
