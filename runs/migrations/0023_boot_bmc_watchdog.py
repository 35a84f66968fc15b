from django.db import migrations, models


class Migration(migrations.Migration):
    """What a boot's agent said of the BMC's watchdog."""

    dependencies = [("runs", "0022_wake_refusals")]
    operations = [
        migrations.AddField(
            "boot",
            "bmc_watchdog",
            models.JSONField(blank=True, default=dict, help_text="The BMC's watchdog when this boot began."),
        ),
    ]
