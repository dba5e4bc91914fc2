"""Settings of the site: each of its verbs fails for a reason that nobody foresaw."""

from tests.settings import *

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "tests.error_reports.urls"
MIDDLEWARE = [*MIDDLEWARE, "tests.error_reports.urls.Fails"]
