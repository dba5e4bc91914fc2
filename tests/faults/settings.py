"""Settings of the processes of the matrix: those of the tests, and what a cell asks for by FAULTS."""

import json
import os

from tests.settings import *

FAULTS = json.loads(os.environ["FAULTS"])
INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults", *FAULTS.get("apps", ())]
DATABASES["default"]["CONN_MAX_AGE"] = 60
DJANGO_VERIFY = FAULTS["verify"]
if "django_tasks_db" in INSTALLED_APPS:
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
