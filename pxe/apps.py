from django.apps import AppConfig


class PxeConfig(AppConfig):
    name = "pxe"
