"""What access knows as a workload is a client of the same organisation."""

from django.db import migrations

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("access", "0009_workloads_kept"), ("idp", "0019_client_roles")]
    operations = [same_organisation("access_workload", "id", "idp_client")]
