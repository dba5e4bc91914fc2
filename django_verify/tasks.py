"""Celery's job, where its `autodiscover_tasks` looks for it; needs the extra `celery`.

The job is acknowledged when it is done, and comes again when its worker dies; then the row tells
whether anything is left to do.
"""

from __future__ import annotations

from typing import Any

from django_verify import conf, delivery

deliver: Any = None
try:
    from celery import shared_task
except ImportError:
    pass  # other engines' autodiscovery imports every module of this name, too
else:

    @shared_task(  # type: ignore[untyped-decorator]
        name="django_verify.deliver",
        acks_late=True,
        reject_on_worker_lost=True,
        ignore_result=True,
    )
    def deliver(sid: str) -> bool:
        """Send one attempt, unless it is over or somebody else has it."""
        return delivery.take(sid, woken=True)


def wake(sid: str) -> None:
    """Publish the job; a broker that does not answer is not asked twice, a sweep sends it."""
    queue = conf.current().DISPATCH_QUEUE
    deliver.apply_async((sid,), retry=False, **({"queue": queue} if queue else {}))
