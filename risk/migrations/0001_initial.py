import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0005_lock'),
    ]

    operations = [
        migrations.CreateModel(
            name='UserRisk',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='risk', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('level', models.PositiveSmallIntegerField(choices=[(0, 'not assessed'), (1, 'low'), (2, 'medium'), (3, 'high')], default=0)),
                ('reasons', models.JSONField(default=list)),
                ('raised_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
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
        same_organisation("risk_userrisk", "user_id", "accounts_user"),
    ]
