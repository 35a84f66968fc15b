"""Every address of the project."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.contrib.contenttypes.views import shortcut
from django.urls import include, path
from django.views.decorators.http import require_safe

from runs.desk.access import needs
from vetting import health, metrics, setup_page
from vetting.admin import Login, close_actions, hide_the_queue, mend_dated_lists
from vetting.oidc import views as oidc

admin.site.enable_nav_sidebar = False  # it takes width from the lists; the index has the same links
admin.site.site_url = None  # the header leads back to the hosts already
hide_the_queue()
close_actions()
mend_dated_lists()

urlpatterns = [
    # Replaces the administration's own view, which reveals the address of any object to any staff.
    path("admin/r/<int:content_type_id>/<int:object_id>/", require_safe(needs()(shortcut)), name="view-on-site"),
    path("admin/", admin.site.urls),
    path(
        "login/",
        Login.as_view(template_name="login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("login/provider/", oidc.start, name="login-provider"),
    path("login/provider/back/", oidc.back, name="login-provider-back"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("setup/", setup_page.page, name="setup"),
    path("healthz", health.healthz, name="healthz"),
    path("livez", health.livez, name="livez"),
    path("metrics", metrics.metrics, name="metrics"),
    path("metrics/targets", metrics.targets, name="metrics-targets"),
    path("", include("agentapi.urls")),
    path("", include("restapi.urls")),
    path("", include("pxe.urls")),
    path("", include("runs.desk.urls")),
]
