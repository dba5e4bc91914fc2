"""What a session holds: the verification under way, a notice, and what was proved.

Of a verification under way it has the SID, the secret that opens it, sealed, the length of its
code, and where to go afterwards; neither a recipient nor a code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.views.decorators.debug import sensitive_variables

from django_verify.crypto import codes
from django_verify.verifications.clients import State

_UNDER_WAY = "django_verify.under_way"
_SHOWN = "django_verify.notice"
_VERIFIED = "django_verify.verified"


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The verification that this session started last."""

    sid: str
    secret: str = field(repr=False)
    next: str = ""
    code_length: int = 0


@dataclass(frozen=True, slots=True)
class VerifiedRecipient:
    """A recipient that was proved in this session; `moment` is a time stamp.

    `refused` has the reasons why it was not kept for the user who was logged in. A test number,
    `is_test`, is proved by anyone who knows its code.
    """

    to: str = field(repr=False)
    channel: str
    purpose: str
    moment: float
    refused: Sequence[str] = ()
    next: str = ""
    is_test: bool = False

    @property
    def verified_at(self) -> dt.datetime:
        """When it was proved."""
        return dt.datetime.fromtimestamp(self.moment, dt.UTC)


@sensitive_variables()
def begin(request: HttpRequest, state: State, url: str) -> None:
    """Remember a verification, and where its owner wants to go; the session gets a new key.

    One who planted the old key would read the recipient on the next page. The secret is sealed: a
    copy of the sessions, or a session kept in a cookie, opens no verification.
    """
    key_id = codes.current_key_id()
    sealed = codes.seal(state.secret, bound_to=state.sid, key_id=key_id)
    request.session[_UNDER_WAY] = {
        "sid": state.sid,
        "sealed": f"{key_id}.{sealed}",
        "next": url,
        "code_length": state.code_length,
    }
    request.session.cycle_key()


@sensitive_variables()
def under_way(request: HttpRequest) -> UnderWay | None:
    """Return the verification that was started last and has not been approved."""
    stored = request.session.get(_UNDER_WAY)
    if not stored:
        return None
    key_id, _, sealed = stored.get("sealed", "").partition(".")
    try:
        secret = codes.unseal(sealed, bound_to=stored.get("sid", ""), key_id=key_id)
    except LookupError:  # its key is no longer configured
        return None
    return UnderWay(stored["sid"], secret, stored["next"], stored["code_length"])


def forget(request: HttpRequest) -> None:
    """Forget the verification under way."""
    request.session.pop(_UNDER_WAY, None)


def finish(request: HttpRequest, state: State, url: str = "") -> None:
    """Remember the proved recipient in place of its verification; the session gets a new key.

    The key is new so that one who planted the old one does not share what it has become worth.
    """
    fact = VerifiedRecipient(
        to=state.to,
        channel=state.channel,
        purpose=state.purpose,
        moment=timezone.now().timestamp(),
        refused=list(state.refused),
        next=url,
        is_test=state.is_test,
    )
    kept = request.session.get(_VERIFIED, {})
    kept.pop(state.purpose, None)  # the last one stands last
    request.session[_VERIFIED] = {**kept, state.purpose: asdict(fact)}
    forget(request)
    request.session.cycle_key()


def verified(request: HttpRequest, purpose: str = "") -> VerifiedRecipient | None:
    """Return what was proved last in this session, for one purpose or for any."""
    kept: dict[str, Any] = request.session.get(_VERIFIED, {})
    stored = kept.get(purpose) if purpose else next(reversed(kept.values()), None)
    return VerifiedRecipient(**stored) if stored else None


def set_notice(request: HttpRequest, kind: str, sentence: str | Promise) -> None:
    """Leave a sentence for the next page: of a `code`, an `error` or `done`."""
    request.session[_SHOWN] = [kind, str(sentence)]


def pop_notice(request: HttpRequest) -> tuple[str, str]:
    """Return the sentence that was left, once."""
    kind, sentence = request.session.pop(_SHOWN, None) or ("", "")
    return kind, sentence
