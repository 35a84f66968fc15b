from django.db import migrations, models


class Migration(migrations.Migration):
    """The search of runs finds a part by how its serial begins."""

    dependencies = [("runs", "0018_drop_measurement")]

    operations = [
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                fields=["component", "run"], name="runs_finding_part", opclasses=["text_pattern_ops", "int8_ops"]
            ),
        ),
    ]
