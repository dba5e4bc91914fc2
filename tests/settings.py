"""Settings of the tests: the example site, with messages kept in memory."""

import sys
from pathlib import Path

import django

from example_project.settings import *

DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
SECRET_KEY = "a key for the tests, of more than fifty characters, and no other use"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DJANGO_VERIFY = {
    "SENDERS": {"memory": {"BACKEND": "django_verify.senders.locmem.LocmemSender"}},
}
# Tests choose the language themselves; those of the example site's pages have the middleware again.
MIDDLEWARE.remove("django.middleware.locale.LocaleMiddleware")
LOGGING = {"version": 1, "disable_existing_loggers": False}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, so that threads have connections of their own; another for each environment, since the
    # tests run in several at a time.
    name = f"test.sqlite3-{Path(sys.prefix).name}"
    DATABASES["default"]["TEST"] = {"NAME": str(BASE_DIR / name)}
DATABASES["default"]["CONN_MAX_AGE"] = 0

# Nodes of templates know their place in the source then; see `tests.attributes`.
TEMPLATES[0]["OPTIONS"]["debug"] = True
