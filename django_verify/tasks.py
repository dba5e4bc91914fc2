"""Celery's job, where its `autodiscover_tasks` looks for it; needs the extra `celery`.

The job is acknowledged when it is done, and comes again when its worker dies; then the row shows
whether anything is left to do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django_verify import conf, delivery

# Seconds for which a start waits for a broker, to connect and then for each of its answers.
PATIENCE = 1

deliver: Any = None
try:
    from celery import shared_task
    from kombu.pools import producers
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
        """Send one attempt, unless it is over or another worker has claimed it."""
        return delivery.take(sid, woken=True)


def prepare() -> None:
    """Import the transport of the site's broker, which Celery does at the first job."""
    _ = _broker(deliver.app).transport


def wake(sid: str) -> None:
    """Publish the job; a broker that does not answer is not asked twice, a worker sends it."""
    queue = conf.current().DISPATCH_QUEUE
    named = {"queue": queue} if queue else {}
    if deliver.app.conf.task_always_eager:
        deliver.apply_async((sid,))
        return
    with producers[_broker(deliver.app)].acquire(block=True, timeout=PATIENCE) as producer:
        deliver.apply_async((sid,), producer=producer, retry=False, **named)


@lru_cache(maxsize=4)
def _broker(app: Any) -> Any:
    """Return the app's broker with an end to its patience.

    Left to itself, the library tries a broker that refuses for six seconds, and waits for one that
    is silent without end; the site's own `broker_transport_options` come first.
    """
    broker = app.connection_for_write(connect_timeout=PATIENCE)
    limits = dict.fromkeys(
        ("socket_connect_timeout", "socket_timeout", "read_timeout", "write_timeout"), PATIENCE
    )
    return broker.clone(transport_options={"max_retries": 0, **limits, **broker.transport_options})
