"""What a device does: sends a code, compares one, and knows when it may not.

Apart from the model, because verifications need every model of `django_verify`.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any, Protocol

from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django_otp.models import GenerateNotAllowed, VerifyNotAllowed

from django_verify import conf, verifications
from django_verify.db.autocommit import commit_apart
from django_verify.exceptions import InvalidParameter, VerifyError
from django_verify.integrations import sending
from django_verify.messages import channels
from django_verify.models import Verification
from django_verify.verifications import validation
from django_verify.web import sentences

Allowed = tuple[bool, dict[str, Any] | None]


class Device(Protocol):
    """What is asked of a device: `models.VerifyDevice`, or one of the site's own."""

    recipient: str
    channel: str
    verification_sid: str
    challenged_at: dt.datetime | None

    @property
    def masked(self) -> str:
        """The recipient, most of it hidden."""

    def remember(self, sid: str, moment: dt.datetime | None) -> None:
        """Keep which verification is under way, and since when; nothing where it is over."""


class ChallengeRefused(Exception):
    """No code was sent; the text is a sentence for the user, which django-otp's forms show."""


@sensitive_variables()
def read_recipient(text: str) -> str:
    """Return a recipient that a person typed as it is stored. Raises ValueError for none."""
    try:
        return validation.read_recipient(channels.parse_recipient, validation.read_typed(text)).to
    except InvalidParameter:
        raise ValueError("no number and no e-mail address") from None


@sensitive_variables()
def start(device: Device) -> str:
    """Send a code, and return what the user reads. Raises ChallengeRefused.

    Within the wait nothing is sent: the code of before is on its way, and holds.
    """
    allowed, _why = may_start(device)
    if allowed:
        channel = device.channel
        try:
            row = verifications.start(
                sending.service(), device.recipient, channel, locale=sending.locale(channel)
            )
        except VerifyError as error:
            raise ChallengeRefused(sentences.of_error(error, device.recipient)) from None
        device.remember(row.sid, timezone.now())
    return gettext("We sent a code to %(to)s.") % {"to": device.masked}


def may_start(device: Device) -> Allowed:
    """Return whether the next code may be asked for: RESEND_COOLDOWNS has the first wait."""
    if device.verification_sid and device.challenged_at:
        end = device.challenged_at + dt.timedelta(seconds=conf.current().RESEND_COOLDOWNS[0])
        if timezone.now() < end:
            reason = GenerateNotAllowed.COOLDOWN_DURATION_PENDING
            return False, {"reason": reason, "next_generation_at": end}
    return True, None


@sensitive_variables()
def check(device: Device, token: Any) -> bool:
    """Compare a code once; the guess counts even if the caller's transaction is undone."""
    code = str(token).strip()
    if isinstance(token, int) and (row := _under_way(device)):
        code = code.zfill(row.code_length)  # a form of numbers has lost the zeros in front
    if not (code and device.verification_sid):
        return False
    compare = partial(
        verifications.check,
        sending.service(),
        code,
        to=device.recipient,
        verification_sid=device.verification_sid,
    )
    try:
        row = commit_apart(compare)
    except VerifyError:
        return False
    if row.status != Verification.Status.APPROVED:
        return False
    device.remember("", None)
    return not row.is_test


def may_check(device: Device) -> Allowed:
    """Return whether a token may be tried: not when the guesses of the code are used up."""
    row = _under_way(device)
    if row is None or row.status != Verification.Status.MAX_ATTEMPTS_REACHED:
        return True, None
    reason = VerifyNotAllowed.N_FAILED_ATTEMPTS
    return False, {
        "reason": reason,
        "failure_count": row.checks,
        "locked_until": row.expires_at,
    }


def _under_way(device: Device) -> Verification | None:
    if not device.verification_sid:
        return None
    try:
        return verifications.fetch(sending.service(), device.verification_sid)
    except VerifyError:
        return None
