from django.db import migrations, models

import hosts.wakemethods


class Migration(migrations.Migration):
    """The choices are those of the drivers that are there. Changes nothing in the database."""

    dependencies = [("hosts", "0003_permissions")]

    operations = [
        migrations.AlterField(
            model_name="host",
            name="wake_method",
            field=models.CharField(choices=hosts.wakemethods.choices, default="wol", max_length=16),
        ),
    ]
