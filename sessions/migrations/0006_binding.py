import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0004_device'),
        ('idp_sessions', '0005_browser'),
    ]

    operations = [
        migrations.AddField(
            model_name='loginsession',
            name='binding',
            field=models.CharField(blank=True, choices=[('dbsc', 'Device Bound Session Credentials'), ('webcrypto', 'a key of the browser (WebCrypto)')], max_length=16),
        ),
        migrations.AddField(
            model_name='loginsession',
            name='proven_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='loginsession',
            name='risk_level',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='loginsession',
            name='browser',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='devices.browser'),
        ),
    ]
