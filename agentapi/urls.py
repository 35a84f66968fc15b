"""`/api/v1/runs/{run}/{call}`."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from agentapi import views
from agentapi.endpoint import CALLS


class CallConverter(StringConverter):
    regex = "|".join(CALLS)


register_converter(CallConverter, "agentcall")

urlpatterns = [path("api/v1/runs/<int:run>/<agentcall:call>", views.call, name="agent-call")]
