"""`/rest/v1/…`. (`/api/v1/…` are the agents' calls.)"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from restapi.api import ROOT, api, openapi

_CALLS = [pattern for pattern in api.urls[0] if getattr(pattern, "name", "") != "api-root"]
_PATTERNS: list[URLPattern | URLResolver] = [path("openapi.json", openapi, name="openapi"), *_CALLS]

urlpatterns = [path(ROOT.lstrip("/"), include((_PATTERNS, "rest"), namespace="rest"))]
