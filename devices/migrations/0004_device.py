import core.ids
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_lock'),
        ('devices', '0003_browser'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('platform', models.CharField(choices=[('linux', 'Linux'), ('macos', 'macOS'), ('windows', 'Windows'), ('chromeos', 'ChromeOS'), ('android', 'Android'), ('ios', 'iOS'), ('other', 'another system')], default='other', max_length=16)),
                ('state', models.CharField(choices=[('pending', 'waiting for approval'), ('enrolled', 'enrolled'), ('suspended', 'suspended'), ('lost', 'reported lost'), ('revoked', 'revoked'), ('retired', 'retired')], default='pending', max_length=16)),
                ('public_jwk', models.JSONField(null=True)),
                ('key_thumbprint', models.CharField(blank=True, max_length=43)),
                ('created_at', models.DateTimeField()),
                ('enrolled_at', models.DateTimeField(null=True)),
                ('score', models.PositiveSmallIntegerField(default=0)),
                ('scored_at', models.DateTimeField(null=True)),
                ('tier_ends_at', django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField(), default=list, size=None)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name='browser',
            name='device',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='browsers', to='devices.device'),
        ),
        migrations.CreateModel(
            name='DeviceUser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('added_at', models.DateTimeField()),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='users', to='devices.device')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organisation')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='devices', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(condition=models.Q(('key_thumbprint', ''), _negated=True), fields=('key_thumbprint',), name='devices_one_per_key'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(fields=('id', 'organisation'), name='devices_device_organisation'),
        ),
        migrations.AddConstraint(
            model_name='deviceuser',
            constraint=models.UniqueConstraint(fields=('device', 'user'), name='devices_user_once'),
        ),
        same_organisation("devices_browser", "device_id", "devices_device"),
        same_organisation("devices_deviceuser", "device_id", "devices_device"),
        same_organisation("devices_deviceuser", "user_id", "accounts_user"),
    ]
