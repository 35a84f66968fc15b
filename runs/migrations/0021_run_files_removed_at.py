from django.db import migrations, models


class Migration(migrations.Migration):
    """A cap on the size of all files removes those of whole runs."""

    dependencies = [("runs", "0020_site_of_shortage")]
    operations = [
        migrations.AddField(
            "run",
            "files_removed_at",
            models.DateTimeField(blank=True, help_text="By the cap on the size of all files.", null=True),
        ),
    ]
