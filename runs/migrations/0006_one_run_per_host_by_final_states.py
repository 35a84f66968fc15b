from django.db import migrations, models


class Migration(migrations.Migration):
    """The same runs as before; the index names the states that are over, so that it holds for a new stage, too."""

    dependencies = [
        ("runs", "0005_stage_restarts"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="run", name="one_live_or_held_run_per_host"),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=~models.Q(state__in=["Cancelled", "Completed", "Failed", "Released"]),
                fields=["host"],
                name="one_live_or_held_run_per_host",
            ),
        ),
    ]
