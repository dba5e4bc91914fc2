"""The floor's site: the example site's host settings and middleware around two other views."""

# ruff: noqa: F403, F405 - settings on top of settings

from example_project.settings import *

DEBUG = False
DATABASES["default"]["CONN_MAX_AGE"] = 60
INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if not app.startswith(("django_verify", "phonenumber_field"))),
    "rest_framework",
    "benchmarks.floor",
]
ROOT_URLCONF = "benchmarks.floor.urls"
WSGI_APPLICATION = "benchmarks.floor.wsgi.application"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.floor.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
if env.bool("BENCH_BARE", False):
    MIDDLEWARE = []
