"""The lawful floor's site."""

# ruff: noqa: F403, F405 - settings on top of settings

from benchmarks.host import *

INSTALLED_APPS = [*OTHER_APPS, "rest_framework", "benchmarks.lawful"]
ROOT_URLCONF = "benchmarks.lawful.urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.lawful.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "benchmarks.lawful.views.answer_refusal",
}
