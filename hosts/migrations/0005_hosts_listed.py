from django.db import migrations, models


class Migration(migrations.Migration):
    """All that the dashboard selects and counts hosts by, without their documents."""

    dependencies = [("hosts", "0004_wake_method_choices")]

    operations = [
        migrations.AddIndex(
            model_name="host",
            index=models.Index(fields=["name", "health", "profile_name", "wake_method"], name="hosts_listed"),
        ),
    ]
