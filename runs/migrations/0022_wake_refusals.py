from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0021_run_files_removed_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="wakerequest",
            name="woken_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="wakerequest",
            name="refusals",
            field=models.PositiveSmallIntegerField(default=0, help_text="Logins that the BMC refused."),
        ),
        migrations.AlterField(
            model_name="wakerequest",
            name="problem",
            field=models.CharField(blank=True, max_length=400),
        ),
    ]
