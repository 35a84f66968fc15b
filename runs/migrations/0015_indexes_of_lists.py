from django.db import migrations, models


def index(model: str, name: str, *fields: str, condition: models.Q | None = None) -> migrations.AddIndex:
    return migrations.AddIndex(model, models.Index(fields=fields, name=name, condition=condition))


class Migration(migrations.Migration):
    """With these, lists and the worker's round read no table of runs from end to end."""

    dependencies = [
        ("hosts", "0005_hosts_listed"),
        ("runs", "0014_several_machines"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="run", name="runs_run_host_id_9b6440_idx"),
        index("run", "runs_newest", "host", "-id", "state", "verdict", "state_since"),
        index("run", "runs_verdict", "verdict", "-id"),
        index("run", "runs_created", "created_at"),
        index("run", "runs_ended", "ended_at"),
        index("run", "runs_profile", "profile_name"),
        index("stagerun", "runs_link_lent", "link_until", condition=models.Q(link_until__isnull=False)),
        index("artifact", "runs_artifact_age", "created_at"),
    ]
