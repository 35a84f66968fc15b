from django.db import migrations, models


class Migration(migrations.Migration):
    """A slow port, or one without a link, concerns the hosts of its own site."""

    dependencies = [("runs", "0019_search_of_runs")]
    operations = [
        migrations.AddField(
            "benchshortage", "site", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
    ]
