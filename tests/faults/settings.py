"""Settings of the processes of the matrix: those of the tests, and what a cell asks for by FAULTS."""

import json
import os

from tests.settings import *

FAULTS = json.loads(os.environ["FAULTS"])
INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults", *FAULTS.get("apps", ())]
# As docs/operations.md has it: a connection that is kept is tried before it is used.
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DJANGO_VERIFY = FAULTS["verify"]
if "django_tasks_db" in INSTALLED_APPS:
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
