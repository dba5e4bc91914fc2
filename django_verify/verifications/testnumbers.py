"""Whether a recipient is a test number of a service, and by which code; off unless TEST_NUMBERS."""

from __future__ import annotations

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.logs import logger
from django_verify.models import TestNumber, VerifyService
from django_verify.models.testnumbers import key_of


@sensitive_variables()
def code_of(service: VerifyService, to: str) -> str:
    """Return the code of a recipient's live pair; empty for one that has none.

    Asks the database only where the service has pairs, as the wire's look-up reports.
    """
    if not (conf.current().TEST_NUMBERS and getattr(service, "has_test_numbers", True)):
        return ""
    key = key_of(to)
    rows = TestNumber.objects.using(queries.database()).order_by()
    live = rows.filter(service_id=service.sid, key=key, is_active=True)
    pair = live.filter(expires_at__gt=timezone.now()).first()
    if pair is None or pair.key != key:  # some databases take a mailbox for that of another case
        return ""
    try:
        return codes.unseal(pair.sealed_code, bound_to=pair.sid, key_id=pair.key_id)
    except LookupError:
        # No traceback: the frames in an error report would show the code.
        logger.error("%s: the key of its code is no longer configured: it is no pair", pair.sid)
        return ""
