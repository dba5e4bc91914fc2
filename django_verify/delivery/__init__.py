"""How a message leaves: attempts are claimed, sent, recorded, and reported on by providers.

Messages are composed in `messages`; one provider's API is a file in `senders`.
"""

from django_verify.delivery.attempts import after_commit, deliver, prepare, route
from django_verify.delivery.due import deliver_due, requeue, take
from django_verify.delivery.explanations import Explanation, configured, explain, explain_error
from django_verify.delivery.outcomes import conclude

__all__ = [
    "Explanation",
    "after_commit",
    "conclude",
    "configured",
    "deliver",
    "deliver_due",
    "explain",
    "explain_error",
    "prepare",
    "requeue",
    "route",
    "take",
]
