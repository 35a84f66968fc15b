from django.apps import AppConfig


class PxeConfig(AppConfig):
    name = "pxe"

    def ready(self) -> None:
        from hosts import wakemethods
        from pxe import checks  # noqa: F401  registers the system checks
        from pxe.wake.drivers import DRIVERS

        for name, driver in DRIVERS.items():
            wakemethods.register(name, driver.METHOD)
