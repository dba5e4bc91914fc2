"""Known devices: tokens by which a client that was approved is recognised at its later starts.

A token is good for one recipient and one service, and for nothing but the share of sends and
guesses that strangers cannot use up. It opens no verification and replaces no code, gate or proof.
"""

from __future__ import annotations

import datetime as dt
import hmac
import re

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import codes
from django_verify.db import queries, retry
from django_verify.models import ClientVerification, Verification, VerifyService

#: Between the tokens of a client that has several, for several recipients.
SEPARATOR = "~"
#: Tokens that a start looks at.
MOST = 4

_TOKEN = re.compile(r"([0-9A-Za-z_]{1,16})\.([0-9a-f]{32})\.([0-9]{1,11})\.([0-9a-f]{64})\Z")
_LONGEST = 1024


@sensitive_variables()
def issue(client: ClientVerification, approved_at: dt.datetime) -> str:
    """Return the token of an approval, the same each time; empty where devices are not known."""
    if not conf.current().KNOWN_DEVICE_DAYS:
        return ""
    key_id, moment = codes.current_key_id(), str(int(approved_at.timestamp()))
    signature = codes.device_signature(key_id, client.sid, client.service_id, moment)
    return f"{key_id}.{client.sid[2:]}.{moment}.{signature}"


@sensitive_variables()
def recognize(tokens: str, service: VerifyService, recipient_key: str) -> str:
    """Return the SID of the approval that one of the tokens is of; empty for a stranger.

    A token that is not good here is no error: its bearer is a stranger. Only one that was signed
    here costs a statement, which also finds what was forgotten meanwhile.
    """
    signed = [
        sid
        for token in tokens[:_LONGEST].split(SEPARATOR)[:MOST]
        if (sid := _signed(token, service))
    ]
    if not signed:
        return ""
    known = ClientVerification.objects.using(queries.database()).filter(
        sid__in=signed,
        service_id=service.sid,
        is_forgotten=False,
        verification__account_id=service.account_id,
        verification__recipient_key=recipient_key,
        verification__status=Verification.Status.APPROVED,
    )
    return known.order_by("-date_created").values_list("sid", flat=True).first() or ""


def forget(row: Verification) -> int:
    """Make strangers of all devices that are known for a row's recipient; return how many were.

    For a lost device, or a number with a new owner. It holds within the row's account.
    """
    approved = queries.verifications().filter(
        account_id=row.account_id,
        recipient_key=row.recipient_key,
        status=Verification.Status.APPROVED,
    )
    approvals = ClientVerification.objects.using(queries.database()).order_by()
    found = approvals.filter(verification__in=approved.values("sid"), is_forgotten=False)
    # In two steps: MySQL updates no table that a subquery of the statement reads.
    sids = list(found.values_list("sid", flat=True))
    return retry.alone(approvals.filter(sid__in=sids).update, is_forgotten=True) if sids else 0


@sensitive_variables()
def _signed(token: str, service: VerifyService) -> str:
    """Return the SID in a token that was signed here and has not run out; else nothing."""
    match = _TOKEN.match(token)
    if match is None:
        return ""
    key_id, sid, moment, signature = f"{match[1]}", f"CV{match[2]}", match[3], match[4]
    try:
        expected = codes.device_signature(key_id, sid, service.sid, moment)
    except LookupError:
        return ""
    lifetime = conf.current().KNOWN_DEVICE_DAYS * 86_400
    if not hmac.compare_digest(signature, expected):
        return ""
    return sid if timezone.now().timestamp() < int(moment) + lifetime else ""
