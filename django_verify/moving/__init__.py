"""Moving here from another Verify service: what its API shows, and the rows it becomes.

Reading (`source`, `reading`) writes nothing, and writing (`writing`) calls nothing. Numbers that
other packages have verified for users are adopted by the app `users`.
"""

from django_verify.moving.reading import Reading, read_service, read_templates, safe_listed
from django_verify.moving.source import Credentials, NotShown, Source, SourceError
from django_verify.moving.writing import Outcome, Recipient, carry, carry_safe_list

__all__ = [
    "Credentials",
    "NotShown",
    "Outcome",
    "Reading",
    "Recipient",
    "Source",
    "SourceError",
    "carry",
    "carry_safe_list",
    "read_service",
    "read_templates",
    "safe_listed",
]
