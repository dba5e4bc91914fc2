"""The floor's site: the shared host around two views written by hand."""

# ruff: noqa: F403, F405 - settings on top of settings

from benchmarks.host import *

INSTALLED_APPS = [*OTHER_APPS, "rest_framework", "benchmarks.floor"]
ROOT_URLCONF = "benchmarks.floor.urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.floor.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
