"""The verbs for asynchronous code: `astart`, `acheck`, `afetch`, `aapprove`, `acancel`.

Each runs the verb of its name in the thread that keeps the request's database connections, and
answers, raises and sends signals as that does. With `DISPATCH="inline"` the message is sent in that
thread too: the event loop goes on, other statements of the same request wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from asgiref.sync import sync_to_async
from django.views.decorators.debug import sensitive_variables

from django_verify.models import Verification, VerifyService
from django_verify.verifications import endings, verbs
from django_verify.verifications.request import StartOptions, StartRequest


@sensitive_variables()
async def astart(
    service: VerifyService,
    to: str | StartRequest,
    channel: str = "sms",
    **options: Unpack[StartOptions],
) -> Verification:
    """Send a code to a recipient, as `start` does, and return its verification."""
    return await _run(verbs.start, service, to, channel, **options)


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
    return await _run(
        verbs.check,
        service,
        code,
        to=to,
        verification_sid=verification_sid,
        amount=amount,
        payee=payee,
        sna_client_token=sna_client_token,
        as_written=as_written,
    )


@sensitive_variables()
async def afetch(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """Return a verification by SID or recipient, as `fetch` does. Raises NotFound."""
    return await _run(verbs.fetch, service, sid_or_to, as_written=as_written)


@sensitive_variables()
async def aapprove(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """Approve a pending verification, as `approve` does. Raises NotFound."""
    return await _run(endings.approve, service, sid_or_to, as_written=as_written)


@sensitive_variables()
async def acancel(
    service: VerifyService, sid_or_to: str, *, as_written: bool = False
) -> Verification:
    """End a verification, as `cancel` does. Raises NotFound."""
    return await _run(endings.cancel, service, sid_or_to, as_written=as_written)


class _Call:
    """A verb and its arguments, in nothing that an error report shows of the thread's frames."""

    def __init__(self, verb: Callable[..., Verification], *args: Any, **kwargs: Any) -> None:
        self._verb, self._args, self._kwargs = verb, args, kwargs

    @sensitive_variables()
    def __call__(self) -> Verification:
        return self._verb(*self._args, **self._kwargs)


@sensitive_variables()
async def _run(verb: Callable[..., Verification], *args: Any, **kwargs: Any) -> Verification:
    return await sync_to_async(_Call(verb, *args, **kwargs))()
