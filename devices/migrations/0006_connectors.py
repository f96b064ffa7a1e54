import core.ids
import django.db.models.deletion
import django.db.models.manager
import protection.fields
from core.migrations_sql import same_organisation
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_lock'),
        ('devices', '0005_posture'),
    ]

    operations = [
        migrations.CreateModel(
            name='Connector',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('fleet', 'Fleet or osquery, by webhook'), ('mdm', 'a table, brought by an administrator'), ('cloudflare', 'a gateway that asks for scores (Cloudflare)')], max_length=16)),
                ('name', models.CharField(max_length=100)),
                ('authentication', models.CharField(choices=[('secret', 'a shared secret in the call'), ('signature', 'a signature by a shared secret (HMAC)'), ('access_token', 'a token of Cloudflare Access'), ('none', 'nobody calls')], max_length=16)),
                ('secret_digest', models.BinaryField(max_length=32, null=True)),
                ('secret_sealed', protection.fields.SealedField(bound_to='id', null=True, organisation='organisation_id')),
                ('checks', models.JSONField(blank=True, default=dict)),
                ('access_issuer', models.CharField(blank=True, max_length=255)),
                ('access_audience', models.CharField(blank=True, max_length=128)),
                ('created_at', models.DateTimeField(editable=False)),
                ('used_at', models.DateTimeField(editable=False, null=True)),
                ('disabled_at', models.DateTimeField(editable=False, null=True)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'constraints': [models.UniqueConstraint(fields=('organisation', 'name'), name='devices_connector_name_once'), models.UniqueConstraint(fields=('id', 'organisation'), name='devices_connector_organisation'), models.CheckConstraint(condition=models.Q(models.Q(('authentication', 'secret'), ('secret_digest__isnull', False), ('secret_sealed', None)), models.Q(('authentication', 'signature'), ('secret_digest', None), ('secret_sealed__isnull', False)), models.Q(('access_issuer__startswith', 'https://'), ('authentication', 'access_token'), ('kind', 'cloudflare'), ('secret_digest', None), ('secret_sealed', None), models.Q(('access_audience', ''), _negated=True)), models.Q(('authentication', 'none'), ('kind', 'mdm'), ('secret_digest', None), ('secret_sealed', None)), _connector='OR'), name='devices_connector_secret_fits')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='DeviceIdentifier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('serial', 'serial'), ('uuid', 'uuid'), ('fleet_host', 'fleet_host')], max_length=16)),
                ('value', models.CharField(max_length=128)),
                ('added_at', models.DateTimeField(editable=False)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identifiers', to='devices.device')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'constraints': [models.UniqueConstraint(fields=('organisation', 'kind', 'value'), name='devices_identifier_once')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        same_organisation("devices_deviceidentifier", "device_id", "devices_device"),
    ]
