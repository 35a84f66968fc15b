from django.apps import AppConfig


class PxeConfig(AppConfig):
    name = "pxe"

    def ready(self) -> None:
        from pxe import checks  # noqa: F401  registers the system checks
