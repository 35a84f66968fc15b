from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class VettingConfig(AppConfig):
    name = "vetting"

    def ready(self) -> None:
        from runs.database import limits as dblimits
        from vetting import checks  # noqa: F401  registers them

        connection_created.connect(dblimits.apply, dispatch_uid="dblimits")
        post_migrate.connect(give_roles, sender=self)


def give_roles(verbosity: int = 1, stdout: Any = None, **kwargs: Any) -> None:
    from vetting import roles

    for line in roles.give_all(**kwargs):
        if verbosity and stdout is not None:
            stdout.write(f"  {line}\n")
