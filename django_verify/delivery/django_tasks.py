"""The job of Django's Tasks framework; imported only where DISPATCH is "tasks", and by its workers.

Django 6 brings the framework along, for Django 5.2 it is the package django-tasks.
"""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

from django_verify import conf
from django_verify.delivery import due


@task
def deliver(sid: str) -> bool:
    """Send one attempt, unless it is over or another worker has claimed it."""
    return due.take(sid, woken=True)


def wake(sid: str) -> None:
    """Enqueue the job; no queue is named above, where a site without it could not import us."""
    queue = conf.current().DISPATCH_QUEUE
    (deliver.using(queue_name=queue) if queue else deliver).enqueue(sid)
