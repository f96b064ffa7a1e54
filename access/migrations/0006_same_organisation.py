from django.db import migrations, models

from core.migrations_sql import same_organisation


class Migration(migrations.Migration):
    dependencies = [("access", "0005_eligibilities"), ("accounts", "0007_elevation")]
    operations = [
        migrations.AddConstraint(
            model_name="eligibility",
            constraint=models.UniqueConstraint(
                fields=("id", "organisation"), name="access_eligibility_organisation"
            ),
        ),
        same_organisation("access_accessreviewitem", "eligibility_id", "access_eligibility"),
        same_organisation("access_approval", "requester_id", "accounts_user"),
        same_organisation(
            "access_accessreviewitem", "assignment_id", "accounts_roleassignment"
        ),
    ]
