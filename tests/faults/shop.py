"""The Celery app of the matrix, as docs/delivery.md has a site's own: `celery -A shop worker`."""

import os

import celery

app = celery.Celery("shop", broker=os.environ["BROKER_URL"])
app.autodiscover_tasks(["django_verify"])
