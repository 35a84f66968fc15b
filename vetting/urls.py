"""Every address of the project."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from vetting import health

admin.site.enable_nav_sidebar = False  # its width is the lists'; the index has the same links
admin.site.site_url = None  # the header leads back to the hosts already

urlpatterns = [
    path("admin/", admin.site.urls),
    path(
        "login/",
        LoginView.as_view(template_name="login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("livez", health.livez, name="livez"),
    path("", include("agentapi.urls")),
    path("", include("pxe.urls")),
    path("", include("runs.urls")),
]
