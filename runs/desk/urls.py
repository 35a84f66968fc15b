"""Addresses of the operator's pages."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from runs.desk import (
    action_views,
    actions,
    adopt_views,
    compare_views,
    fragments,
    lacking_views,
    newcomer_views,
    photo_views,
    spec_views,
    views,
)

_ACTIONS = "|".join(actions.BY_NAME)

urlpatterns: list[URLPattern] = [
    path("", views.dashboard, name="dashboard"),
    path("parts/", fragments.dashboard_parts, name="dashboard-parts"),
    path("worker-warning/", fragments.worker_warning, name="worker-warning"),
    path("newcomers/", newcomer_views.newcomers, name="newcomers"),
    path("hosts/<slug:name>/", views.host, name="host"),
    path("hosts/<slug:name>/register/", newcomer_views.register_mac, name="register-mac"),
    path("hosts/<slug:name>/parts/", fragments.host_parts, name="host-parts"),
    path("hosts/<slug:name>/compare/", compare_views.compare, name="compare"),
    path("hosts/<slug:name>/start/", action_views.start, name="start"),
    path("hosts/<slug:name>/power/", action_views.power_of, name="power"),
    path("runs/<int:run_id>/", views.run, name="run"),
    path("runs/<int:run_id>/parts/", fragments.run_parts, name="run-parts"),
    path("runs/<int:run_id>/series.json", views.series, name="series"),
    path("runs/<int:run_id>/run.log", views.log, name="log"),
    path("runs/<int:run_id>/log/", views.log_page, name="log-page"),
    path("runs/<int:run_id>/log/lines/", fragments.log_lines, name="log-lines"),
    path("runs/<int:run_id>/history/", fragments.history, name="history-rows"),
    path("runs/<int:run_id>/report.html", views.report, {"kind": "html"}, name="report"),
    path("runs/<int:run_id>/report.json", views.report, {"kind": "json"}, name="report-json"),
    path("runs/<int:run_id>/export/<str:export>", views.export, name="export"),
    path("runs/<int:run_id>/report/again/", action_views.report_again, name="report-again"),
    path("runs/<int:run_id>/files/<path:name>", views.artifact, name="artifact"),
    path("runs/<int:run_id>/photos/", photo_views.add, name="add-photo"),
    path("runs/<int:run_id>/photos/<str:photo>/", photo_views.photo, name="photo"),
    path("runs/<int:run_id>/photos/<str:photo>/remove/", photo_views.remove, name="remove-photo"),
    path("runs/<int:run_id>/hold-key/", action_views.hold_key, name="hold-key"),
    path("runs/<int:run_id>/new-key/", action_views.new_key, name="new-key"),
    path("runs/<int:run_id>/spec/", spec_views.spec, name="spec"),
    path("runs/<int:run_id>/adopt/", adopt_views.adopt, name="adopt"),
    path("runs/<int:run_id>/not-there/", lacking_views.not_there, name="not-there"),
    re_path(rf"^runs/(?P<run_id>[0-9]{{1,18}})/(?P<name>{_ACTIONS})/$", action_views.act, name="act"),
]
