from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_conditions_of_roles")]

    operations = [
        migrations.RemoveIndex(model_name="roleassignment", name="accounts_dated_assignments"),
        migrations.AddIndex(
            model_name="roleassignment",
            index=models.Index(
                condition=models.Q(("ended_at", None)),
                fields=["user"],
                name="accounts_live_assignments",
            ),
        ),
    ]
