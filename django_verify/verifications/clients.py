"""The verbs of a caller without credentials: start, resend, check and fetch what is its own.

An app or a page may call them by way of a face. Each client has a verification of its own and a
secret that opens it; without the secret nothing is charged and nothing is returned. No verb sees a
request: who asks is a `Caller`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, fraud, proofs, sids, signals
from django_verify.contact import countries, emails, phones, typed
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.db.autocommit import require_autocommit
from django_verify.exceptions import (
    ChannelDisabled,
    InvalidParameter,
    MaxChecksReached,
    MaxSendsReached,
    NotFound,
    TooManyRequests,
)
from django_verify.gates import admission
from django_verify.limits import counters
from django_verify.limits.counters import Meter
from django_verify.messages import channels, locales
from django_verify.models import ClientVerification, Verification, VerifyService
from django_verify.models.clients import NONCE_LENGTH
from django_verify.net import client_ip
from django_verify.net.times import seconds_until
from django_verify.verifications import devices, progress, verbs
from django_verify.verifications.offers import ClientsNotServed, channels_on_offer
from django_verify.verifications.request import StartRequest

#: The action that a gate verifies a token for.
START = "start"

_Status = Verification.Status
_APP_HASH = re.compile(r"[0-9A-Za-z+/]{11}\Z")
_LONGEST_RECIPIENT = 320


class ResendTooSoon(TooManyRequests):
    """The client has to wait `retry_after` seconds before it asks for the next message."""

    message = "Wait before you ask for another code"


class VerificationOver(NotFound):
    """The client's own verification has ended; `ending` is its status."""

    message = "The verification is over"

    def __init__(self, ending: str = "") -> None:
        super().__init__()
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as a face knows.

    `ip` is its recipient as `client_ip` reads it, `device_id` the caller's own word, `user` the one
    who is logged in, and `device_token` what an earlier approval gave it.
    """

    ip: str = ""
    device_id: str = field(default="", repr=False)
    user: Any = None
    device_token: str = field(default="", repr=False)

    @property
    def network(self) -> str:
        """What its recipient counts under."""
        return client_ip.network_of(self.ip)

    @property
    def user_key(self) -> str:
        """The primary key of the user as text; empty for nobody."""
        known = self.user is not None and self.user.is_authenticated
        return str(self.user.pk) if known else ""


@dataclass(frozen=True, slots=True)
class State:
    """What a client may know of its verification; `secret` is returned once, by the start.

    `channels` are the others on offer, `next_send_at` is None when no further message may be sent.
    `code_length` is the service's, or longer. `proof` is there from the approval until it would
    have run out; it works once. `device_token` is there as long, and makes the client a known
    device at its next starts. `refused` has why the recipient was not kept for the user who is
    logged in, and `is_test` that an operator knows the code: an approval proves nothing then.
    `delivery` is how far the last message is, a word of `progress.WORDS`; where it failed,
    `next_channel` is the one to offer. `approved_at` is None until the right code was given.
    """

    sid: str
    to: str = field(repr=False)
    channel: str
    purpose: str
    status: str
    expires_at: dt.datetime
    next_send_at: dt.datetime | None
    sends_left: int
    checks_left: int
    channels: Sequence[str]
    code_length: int = 0
    secret: str = field(default="", repr=False)
    proof: str = field(default="", repr=False)
    device_token: str = field(default="", repr=False)
    refused: Sequence[str] = ()
    is_test: bool = False
    delivery: str = ""
    approved_at: dt.datetime | None = None

    @property
    def next_channel(self) -> str:
        """The channel to offer after a message that failed; empty for none."""
        failed = self.delivery == progress.FAILED and self.next_send_at is not None
        return next(iter(self.channels), "") if failed else ""

    @property
    def valid(self) -> bool:
        """Whether the right code was given."""
        return self.status == _Status.APPROVED


@sensitive_variables()
def start(
    service: VerifyService,
    to: str,
    channel: str = "",
    *,
    caller: Caller,
    region: str = "",
    purpose: str = "",
    nonce: str = "",
    gate_token: str = "",
    locale: str = "",
    app_hash: str = "",
    autofill_domain: str | None = None,
) -> State:
    """Send a code to a recipient for one client, whose secret is in the answer.

    A number may have any spelling, a national one with its `region` (ISO 3166). What a device
    names as its `locale`, `region` and `app_hash` is a hint and never ends a start. The gate is
    asked before anything is written or sent. The answer depends neither on whose number it is, nor
    on whether the host forbids it. Raises the family of `exceptions`; TooManyRequests names the
    limit and when it has room.
    """
    secret = codes.new_secret()
    client = _new(service, secret, caller, purpose, nonce)
    given, to = to, _address(to, region)
    channel = _channel(service, to, channel)
    app_hash = _app(app_hash)
    recipient_key = channels.parse_recipient(to).key
    client.recognized_by = devices.recognize(caller.device_token, service, recipient_key)
    meters = _meters(to, caller, client)
    admission.admit(gate_token, remote_ip=caller.ip, action=START, subject=given)
    request = StartRequest(
        to=to,
        channel=channel,
        locale=locales.hint(locale),
        app_hash=app_hash,
        autofill_domain=autofill_domain,
        meters=meters,
        client=client,
        network=caller.network,
        device_id=caller.device_id,
    )
    row = verbs.start(service, request)
    return replace(_state(client, row), secret=secret)


@sensitive_variables()
def resend(
    sid: str,
    secret: str,
    channel: str = "",
    *,
    caller: Caller,
    locale: str = "",
    app_hash: str = "",
    autofill_domain: str | None = None,
) -> State:
    """Send the same code once more, by the same or another channel.

    The wait grows with every message: ResendTooSoon has its length. Raises NotFound without
    the secret, VerificationOver when it has ended, MaxSendsReached.
    """
    asked_at = timezone.now()
    client = _mine(sid, secret, caller)
    row = client.verification
    app_hash = _app(app_hash)
    _refuse_over(row, asked_at)
    wait = _next_send_at(row)
    if wait is None:
        raise MaxSendsReached(retry_after=seconds_until(row.expires_at, asked_at))
    if wait > asked_at:
        raise ResendTooSoon(retry_after=seconds_until(wait, asked_at))
    request = StartRequest(
        to=row.to,
        channel=_channel(client.service, row.to, channel or row.channel),
        locale=locales.hint(locale),
        app_hash=app_hash,
        autofill_domain=autofill_domain,
        meters=_meters(row.to, caller, client),
        client=client,
        network=caller.network,
        device_id=caller.device_id,
        asked_at=asked_at,
    )
    return _state(client, verbs.start(client.service, request))


@sensitive_variables()
def check(sid: str, secret: str, code: str, *, caller: Caller) -> State:
    """Compare a code once; a wrong one is an answer, with the number of `checks_left`.

    Digits of any script, spaces and punctuation are read. Raises InvalidParameter, uncharged, for
    what cannot be the code, and NotFound without the secret; VerificationOver when it has ended and
    MaxChecksReached when the guesses are used up; AtomicBlockError inside a transaction.
    """
    require_autocommit("clients.check")
    client = _mine(sid, secret, caller)
    if not code:
        raise InvalidParameter("code", "it has 4–10 characters")
    _refuse_over(client.verification, timezone.now())
    code = verbs.typed(client.verification, code)
    if not client.recognized_by:
        counters.consume(_windows("checks", caller.network))
    try:
        row = verbs.check(client.service, code, verification_sid=client.verification_id)
    except NotFound:
        row = queries.verifications().get(sid=client.verification_id)
        _refuse_over(row, timezone.now())
        raise
    if row.status != _Status.APPROVED:
        return _state(client, row)
    return replace(_state(client, row), refused=_notify(client, row, caller))


@sensitive_variables()
def fetch(sid: str, secret: str, *, caller: Caller) -> State:
    """Return how a verification stands. Raises NotFound without the secret."""
    client = _mine(sid, secret, caller)
    counters.count_read(client.verification_id)
    return _state(client, client.verification)


@sensitive_variables()
def _new(
    service: VerifyService, secret: str, caller: Caller, purpose: str, nonce: str
) -> ClientVerification:
    """Return a client that is not written yet. Raises what the service does not offer."""
    if not service.client_enabled:
        raise ClientsNotServed
    purpose = purpose or service.purposes[0]
    if purpose not in service.purposes:
        raise InvalidParameter("purpose", "not a purpose of this site")
    if len(nonce) > NONCE_LENGTH or not nonce.isprintable():
        raise InvalidParameter("nonce", f"at most {NONCE_LENGTH} printable characters")
    return ClientVerification(
        service=service,
        purpose=purpose,
        nonce=nonce,
        user_key=caller.user_key,
        secret_hash=codes.hash_secret(secret),
    )


def _address(to: str, region: str) -> str:
    """Return an e-mail address without what typing adds, and a number of any spelling in E.164.

    The region is a hint: one that is none leaves a number with + as it is.
    """
    try:
        if "@" in (plain := typed.plain(to[:_LONGEST_RECIPIENT])):
            return emails.read(plain).address
        return _number(to, countries.region(region))
    except ValueError as error:
        raise InvalidParameter("to", str(error)) from None


def _number(to: str, region: str) -> str:
    try:
        return phones.read(to, region).number
    except ValueError:
        fraud.refresh()  # a rule may have opened its range since
        return phones.read(to, region).number


@sensitive_variables()
def _mine(sid: str, secret: str, caller: Caller) -> ClientVerification:
    """Return what the secret opens; whatever is wrong is one and the same NotFound."""
    rows = ClientVerification.objects.using(queries.database())
    # What cannot be a SID may hold what a database refuses to look for.
    rows = rows.select_related("verification", "service").annotate(**progress.latest())
    found = rows.filter(sid=sid).order_by()
    row = found.first() if sids.is_sid("CV", sid) else None
    stored = row.secret_hash if row else ""
    if not codes.secret_matches(stored, secret) or row is None:
        raise NotFound
    if row.user_key and row.user_key != caller.user_key:
        raise NotFound
    return row


def _channel(service: VerifyService, to: str, name: str) -> str:
    is_email = "@" in to
    fitting = [each for each in channels_on_offer(service) if (each == "email") == is_email]
    name = channels.ALIASES.get(name, name)
    if not fitting:
        raise ChannelDisabled
    if name and name not in fitting:
        raise InvalidParameter("channel", f"one of {', '.join(fitting)}")
    # Where the recipient may have none of them, the start has the reason.
    return name or next(iter(fraud.allowed(service, to, fitting)), fitting[0])


def _app(app_hash: str) -> str:
    """Return the hash of an app of the site; empty for what is none.

    Refuses another app's: that one would be handed the code.
    """
    if not _APP_HASH.match(app_hash):
        return ""
    if app_hash not in conf.current().CLIENT_APP_HASHES:
        raise InvalidParameter("app_hash", "not the hash of an app of this site")
    return app_hash


def _meters(to: str, caller: Caller, client: ClientVerification) -> list[Meter]:
    """Return what one message counts against. Raises InvalidParameter for no recipient.

    A known device has the sends of a number for itself, whatever strangers have used up.
    """
    if client.recognized_by:
        return _windows("number", client.recognized_by)
    recipient = channels.parse_recipient(to)
    return [
        *_windows("number", recipient.key),
        *_windows("network", caller.network),
        *(_windows("device", caller.device_id) if caller.device_id else ()),
        *(_windows("prefix", phones.prefix(recipient.to)) if recipient.to.startswith("+") else ()),
    ]


def _windows(name: str, value: str) -> list[Meter]:
    digest = codes.fingerprint("client", name, value)
    windows = conf.client_limits()[name]
    return [Meter(name, f"client.{name}", digest, most, seconds) for most, seconds in windows]


def _refuse_over(row: Verification, now: dt.datetime) -> None:
    status = row.current_status(now)
    if status == _Status.MAX_ATTEMPTS_REACHED:
        raise MaxChecksReached(retry_after=seconds_until(row.expires_at, now))
    if status != _Status.PENDING:
        raise VerificationOver(str(status))


def _state(client: ClientVerification, row: Verification) -> State:
    now = timezone.now()
    status = row.current_status(now)
    if status == _Status.PENDING and row.checks >= row.max_checks:
        status = (
            _Status.MAX_ATTEMPTS_REACHED
        )  # by the guess in hand, which the row does not count yet
    pending = status == _Status.PENDING
    others = channels_on_offer(client.service, row.to)
    return State(
        sid=client.sid,
        to=row.to,
        channel=row.channel,
        purpose=client.purpose,
        status=str(status),
        expires_at=row.expires_at,
        next_send_at=_next_send_at(row) if pending else None,
        sends_left=row.max_sends - row.sends if pending else 0,
        checks_left=row.max_checks - row.checks if pending else 0,
        channels=[name for name in others if name != row.channel],
        code_length=row.code_length,
        proof=_proof(client, row, now) if status == _Status.APPROVED else "",
        device_token=_device_token(client, row, now) if status == _Status.APPROVED else "",
        is_test=row.is_test,
        delivery=progress.of_row(client, row, client.service, now),
        approved_at=row.date_updated if status == _Status.APPROVED else None,
    )


def _proof(client: ClientVerification, row: Verification, now: dt.datetime) -> str:
    """Return the proof of an approval while it lasts: written anew each time, it works once."""
    approved_at = row.date_updated
    if now >= approved_at + dt.timedelta(seconds=conf.current().PROOF_LIFETIME):
        return ""
    return proofs.issue(
        sid=client.sid,
        subject=row.to,
        channel=row.channel,
        service_sid=client.service_id,
        purpose=client.purpose,
        nonce=client.nonce,
        test=row.is_test,
        approved_at=approved_at,
    )


def _device_token(client: ClientVerification, row: Verification, now: dt.datetime) -> str:
    """Return the token of a known device, as long as the proof; a test number makes none known."""
    over = row.date_updated + dt.timedelta(seconds=conf.current().PROOF_LIFETIME) <= now
    return "" if over or row.is_test else devices.issue(client, row.date_updated)


def _next_send_at(row: Verification) -> dt.datetime | None:
    """Return when the next message may be asked for; None when all have been sent."""
    if row.sends >= row.max_sends:
        return None
    waits = conf.current().RESEND_COOLDOWNS
    return row.sent_at + dt.timedelta(seconds=waits[min(row.sends, len(waits)) - 1])


def _notify(client: ClientVerification, row: Verification, caller: Caller) -> list[str]:
    """Send the signal, and return the reasons of receivers that did not keep the recipient."""
    answers = signals.client_approved.send_robust(
        sender=ClientVerification,
        client=client,
        verification=row,
        user=caller.user if caller.user_key else None,
    )
    given = [answer for _, answer in answers]
    return [answer.reason for answer in given if isinstance(answer, signals.NotRecorded)]
