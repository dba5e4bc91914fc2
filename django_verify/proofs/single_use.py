"""Single-use tokens: a token is consumed by inserting a row for its digest."""

from __future__ import annotations

import datetime as dt
from functools import partial

from django.db import IntegrityError, router
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import codes
from django_verify.db import savepoints
from django_verify.models import SpentToken


@sensitive_variables()
def consume(kind: str, token: str, expires_at: dt.datetime) -> bool:
    """Use a token up; False where it was used before. At most one of any number of callers wins.

    Inside a transaction of the caller's it counts once that commits, and comes back with a
    rollback. `expires_at`, aware, is when the token expires by itself.
    """
    using = router.db_for_write(SpentToken)
    # A row by every key of the ring: while keys rotate, machines differ in their newest one.
    # Sorted, so that two who meet never wait for each other in a circle.
    keys = sorted(codes.fingerprints("spent", kind, token))
    rows = [SpentToken(key=key, expires_at=conf.stored(expires_at)) for key in keys]
    write = partial(SpentToken.objects.using(using).bulk_create, rows)
    return savepoints.tolerate(write, using=using, ignore=IntegrityError) is None
