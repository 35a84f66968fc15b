from django.urls import path

from pxe import views

urlpatterns = [
    path("ipxe/<str:mac>", views.script, name="ipxe-script"),
]
