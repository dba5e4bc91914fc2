"""The verbs for asynchronous code: `astart`, `acheck`, `afetch`, `aapprove`, `acancel`.

Each runs the verb of its name in the thread that keeps the request's database connections, and
answers, raises and sends signals as that does. With `DISPATCH="inline"` the message is sent in that
thread too: the event loop goes on, other statements of the same request wait for it.
"""

from __future__ import annotations

from typing import Unpack

from asgiref.sync import sync_to_async
from django.views.decorators.debug import sensitive_variables

from django_verify.models import Verification, VerifyService
from django_verify.verifications import verbs
from django_verify.verifications.request import StartOptions, StartRequest


@sensitive_variables()
async def astart(
    service: VerifyService,
    to: str | StartRequest,
    channel: str = "sms",
    **options: Unpack[StartOptions],
) -> Verification:
    """Send a code to a recipient, as `start` does, and return its verification."""
    return await sync_to_async(verbs.start)(service, to, channel, **options)


@sensitive_variables()
async def acheck(
    service: VerifyService,
    code: str = "",
    *,
    to: str = "",
    verification_sid: str = "",
    amount: str = "",
    payee: str = "",
    sna_client_token: str = "",
    as_written: bool = False,
) -> Verification:
    """Compare a code once, as `check` does; the answer's `status` is `approved` or `pending`."""
    return await sync_to_async(verbs.check)(
        service,
        code,
        to=to,
        verification_sid=verification_sid,
        amount=amount,
        payee=payee,
        sna_client_token=sna_client_token,
        as_written=as_written,
    )


async def afetch(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """Return a verification by SID or recipient, as `fetch` does. Raises NotFound."""
    return await sync_to_async(verbs.fetch)(service, sid_or_to, as_written=as_written)


async def aapprove(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """Approve a pending verification, as `approve` does. Raises NotFound."""
    return await sync_to_async(verbs.approve)(service, sid_or_to, as_written=as_written)


async def acancel(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """End a verification, as `cancel` does. Raises NotFound."""
    return await sync_to_async(verbs.cancel)(service, sid_or_to, as_written=as_written)
