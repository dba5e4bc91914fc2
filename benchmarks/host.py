"""The host's settings that every side shares: the example site's, bare unless it is asked for."""

# ruff: noqa: F403, F405 - settings on top of settings

from example_project.settings import *

DEBUG = False
DATABASES["default"]["CONN_MAX_AGE"] = 60
if not env.bool("BENCH_MIDDLEWARE", False):
    MIDDLEWARE = []
    LOGGING = {}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# Without ours, for a side that is another site.
OTHER_APPS = [
    app
    for app in INSTALLED_APPS
    if not app.startswith(("django_verify", "phonenumber_field", "drf_spectacular"))
]
