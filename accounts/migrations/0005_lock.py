import core.ids
import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_profile'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lock',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('target_type', models.CharField(choices=[('user', 'User'), ('role', 'Role'), ('client', 'Client'), ('device', 'Device'), ('session', 'Session'), ('address', 'Address'), ('credential', 'Credential')], max_length=16)),
                ('target', models.CharField(max_length=200)),
                ('reason', models.CharField(max_length=200)),
                ('message', models.CharField(blank=True, max_length=200)),
                ('needs_recovery', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=100)),
                ('ends_at', models.DateTimeField(null=True)),
                ('lifted_at', models.DateTimeField(null=True)),
                ('lifted_by', models.CharField(blank=True, max_length=100)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'indexes': [models.Index(condition=models.Q(('lifted_at', None)), fields=['organisation', 'target_type', 'target'], name='accounts_live_locks')],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gt', models.F('created_at')), _connector='OR'), name='accounts_lock_period')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
    ]
