"""Sends through one of the many services of the library `apprise`, the extra of that name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from django_verify.conf.backends import installed
from django_verify.senders.base import Message, Receipt, Sender, TemporarySendError

# Two numbers that nobody has, to see whether a URL distinguishes them.
_NOBODY = "+12025550143", "+12025550178"
_REFUSE_UNDER_SUCCESS = {"atalk", "clickatell", "clicksend", "msg91", "nexmo", "vonage"}
# The library cannot be interrupted, so only so many calls may be left behind at a time.
_CALLS = threading.BoundedSemaphore(16)


class _Mute(threading.local):
    on = False


_mute = _Mute()


class _Quiet(logging.Filter):
    """Drops what the library would log of our messages: texts, numbers, URLs with secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _mute.on


for _name in ("apprise", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_Quiet())


class AppriseSender(Sender):
    """The service of `url`, in which `{to}` or `{to_digits}` stands where its target belongs.

    The library returns neither an id nor a reason: a failure may be for good or not, and a message
    whose sending failed may have been sent. It looks at the HTTP status alone, so services that
    refuse under a status of success are refused; another one that does so cannot be known.
    """

    def __init__(
        self, alias: str, *, url: str, channels: Collection[str] = ("sms",), timeout: float = 10.0
    ) -> None:
        super().__init__(alias)
        if not installed("apprise"):
            raise ValueError("it needs apprise: install django-verify[apprise]")
        if isinstance(channels, str) or not channels:
            raise ValueError("channels is a list")
        if timeout <= 0:
            raise ValueError("timeout is above zero")
        if url.partition("://")[0].lower() in _REFUSE_UNDER_SUCCESS:
            raise ValueError(
                "this service refuses under a status of success, which apprise takes for sent:"
                " use the sender of its own, or a recipe of HttpSender"
            )
        # Without a target many services send to the sender's own number.
        if "{to}" not in url and "{to_digits}" not in url:
            raise ValueError("url needs {to} or {to_digits} where its target belongs")
        self.url, self.channels, self.timeout = url, frozenset(channels), timeout
        services = [self._service(number) for number in _NOBODY]
        if None in services:
            raise ValueError("url is none of apprise's")
        if len({service.url(privacy=False) for service in services}) == 1:
            raise ValueError("url has its placeholder where this service has no target")

    def send(self, message: Message) -> Receipt:
        """Send in a thread of its own, and wait no longer than `timeout` for it."""
        done: list[bool] = []
        if not _CALLS.acquire(blocking=False):
            raise TemporarySendError("too many calls of apprise are under way")

        def run() -> None:
            _mute.on = True
            try:
                service = self._service(message.to)
                done.append(bool(service and service.notify(body=message.body, title="")))
            except Exception:  # noqa: BLE001 - a plugin may raise anything, with the text in it
                done.append(False)
            finally:
                _CALLS.release()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.timeout)
        if not done:
            raise TemporarySendError("apprise did not end in time", uncertain=True)
        if not done[0]:
            raise TemporarySendError("apprise failed", uncertain=True)
        return Receipt()

    def _service(self, to: str) -> Any:
        from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - an extra

        asset = AppriseAsset(async_mode=False, secure_logging=True)
        target = self.url.replace("{to_digits}", to.removeprefix("+"))
        target = target.replace("{to}", quote(to, safe=""))
        kept, _mute.on = _mute.on, True
        try:
            return Apprise.instantiate(target, asset=asset)
        finally:
            _mute.on = kept
