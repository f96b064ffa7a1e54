from django.db import migrations, models

import protection.fields


class Migration(migrations.Migration):
    dependencies = [("idp", "0006_logout_delivery")]
    operations = [
        migrations.CreateModel(
            name="PairwiseSalt",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("salt", protection.fields.SealedField(bound_to="id", organisation=None)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="idp_one_pairwise_salt"
                    )
                ],
            },
        ),
    ]
