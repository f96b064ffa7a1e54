from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        same_organisation("accounts_roleassignment", "user_id", "accounts_user"),
        same_organisation("accounts_roleassignment", "role_id", "accounts_role"),
        same_organisation("accounts_groupmember", "user_id", "accounts_user"),
        same_organisation("accounts_groupmember", "group_id", "accounts_group"),
        same_organisation("accounts_grouprole", "group_id", "accounts_group"),
        same_organisation("accounts_grouprole", "role_id", "accounts_role"),
        same_organisation("accounts_invitation", "role_id", "accounts_role"),
        same_organisation("accounts_invitation", "invited_by_id", "accounts_user"),
    ]
