"""The base class of push senders: the notification it gets, the errors it may raise.

To add one: one file beside this one, with a subclass of `PushSender`. Its options are the keyword
parameters of its `__init__`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.checks import CheckMessage


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One notification, ready to send; its `repr` shows neither token nor text.

    `ttl` is in seconds; 0 is for now or never. `sid` is the same on every try.
    """

    sid: str
    token: str = field(repr=False)
    app_id: str
    factor_sid: str
    challenge_sid: str
    message: str = field(repr=False)
    ttl: int = 300

    def data(self) -> dict[str, str]:
        """Return what the device SDKs look for."""
        return {
            "type": "verify_push_challenge",
            "factor_sid": self.factor_sid,
            "challenge_sid": self.challenge_sid,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Credential:
    """What the push service wants to see: a `.p8` key, or the JSON key of a service account.

    `team_id`, `key_id`, `topic` and `sandbox` are Apple's.
    """

    secret: str = field(repr=False)
    team_id: str = ""
    key_id: str = ""
    topic: str = ""
    sandbox: bool = False


class PushError(Exception):
    """The push service refused for good.

    The text goes into the notification's row, so it holds no token, no secret and no message.
    """


class Unregistered(PushError):
    """The device has given the token up: nothing further is sent to it."""


class TemporaryPushError(PushError):
    """The push service could not be reached or is busy: later may do.

    `retry_after` is in seconds, where the service said so.
    """

    def __init__(self, text: str, *, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class PushSender:
    """One configured push service.

    `development` marks one that reaches no device; the deploy check refuses it.
    """

    development = False

    def __init__(self, platform: str) -> None:
        self.platform = platform

    def send(self, message: PushMessage, credential: Credential | None) -> str:
        """Hand the message over and return the push service's id of it; raise PushError.

        The credential is the one that the Verify service names; None where it names none.
        """
        raise NotImplementedError

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options, for Django's system checks."""
        return ()
