from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created


class VettingConfig(AppConfig):
    name = "vetting"

    def ready(self) -> None:
        from runs import dblimits
        from vetting import checks  # noqa: F401  registers them

        connection_created.connect(dblimits.apply, dispatch_uid="dblimits")
        if settings.WORKER_PARENT_PID:
            dblimits.use_by_default(dblimits.WORKER)
