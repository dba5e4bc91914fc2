"""How a message leaves: attempts are claimed, sent, recorded, and reported on by providers.

What a message says is in `messages`; one provider's API is a file in `senders`.
"""

from django_verify.delivery.attempts import (
    deliver,
    deliver_due,
    requeue,
    route,
    take,
)

__all__ = [
    "deliver",
    "deliver_due",
    "requeue",
    "route",
    "take",
]
