"""Several machines may work on one database: runs and outages have a site, holders and leases have longer names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0013_state_without_choices")]
    operations = [
        migrations.AddField(
            "run",
            "site",
            models.CharField(
                blank=True, default="", help_text="web.address of the machine that it booted from.", max_length=64
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "weboutage", "site", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
        migrations.AlterField("lease", "name", models.CharField(max_length=100, primary_key=True, serialize=False)),
        migrations.AlterField(
            "lease",
            "holder",
            models.CharField(blank=True, help_text="As runs/bench/process.py names it.", max_length=120),
        ),
        migrations.AlterField(
            "job",
            "holder",
            models.CharField(blank=True, help_text="Machine and process of the newest try.", max_length=120),
        ),
    ]
