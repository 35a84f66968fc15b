"""Tables for measurements: series, batches, and hours that are rolled up. The next migration fills them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0015_indexes_of_lists")]

    operations = [
        migrations.AddField("lease", "position", models.BigIntegerField(default=0)),
        migrations.AddField(
            "run",
            "rolled_up_to",
            models.BigIntegerField(default=0, help_text="The newest MeasurementBatch that is in SeriesHour."),
        ),
        migrations.CreateModel(
            name="Series",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("component_kind", models.CharField(max_length=16)),
                ("component", models.CharField(max_length=128)),
                ("name", models.CharField(max_length=32)),
                ("unit", models.CharField(max_length=16)),
                ("run", models.ForeignKey("runs.run", models.CASCADE, related_name="series", db_index=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "component", "name", "component_kind", "unit"), name="one_series_per_sensor"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="MeasurementBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first_ms", models.BigIntegerField()),
                ("last_ms", models.BigIntegerField()),
                ("hottest", models.FloatField(null=True)),
                ("samples", models.BinaryField()),
                ("run", models.ForeignKey("runs.run", models.CASCADE, related_name="batches", db_index=False)),
            ],
            options={"indexes": [models.Index(fields=["run", "last_ms", "id"], name="runs_batch_by_time")]},
        ),
        migrations.CreateModel(
            name="SeriesHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.PositiveIntegerField()),
                ("count", models.BigIntegerField()),
                ("lowest", models.FloatField()),
                ("highest", models.FloatField()),
                ("total", models.FloatField()),
                ("minutes", models.BinaryField()),
                ("series", models.ForeignKey("runs.series", models.CASCADE, related_name="hours", db_index=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("series", "hour"), name="one_row_per_series_and_hour")
                ]
            },
        ),
    ]
