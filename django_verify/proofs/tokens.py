"""Proofs of an approval: issue, read, redeem; who asks for one, and when, is not here.

A proof is a signed token (JWT) that the client carries to the site's own endpoints. It is bound to
a purpose and an audience, runs out soon after the approval, and is redeemed once.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import jose
from django_verify.proofs import keys, single_use

TYPE = "verify-proof+jwt"
#: What can be wrong with a proof, and the sentence for people; none of it quotes the proof.
REASONS = {
    "missing": _("A proof is required."),
    "malformed": _("This is no proof."),
    "bad_signature": _("The proof was not signed here."),
    "expired": _("The proof has expired."),
    "not_yet": _("The proof is not valid yet."),
    "wrong_issuer": _("The proof was issued elsewhere."),
    "wrong_audience": _("The proof is for another audience."),
    "wrong_purpose": _("The proof is for another purpose."),
    "wrong_nonce": _("The proof belongs to another request."),
    "wrong_subject": _("The proof is of another kind of recipient."),
    "test_proof": _("The proof is of a test number."),
    "already_used": _("The proof has been used."),
}

_LONGEST = 8192
# Seconds by which the clocks of two machines of the site may differ.
_LEEWAY = 10
_TEXTS = ("iss", "aud", "sub", "channel", "service", "purpose", "jti")
_MOMENTS = ("iat", "nbf", "exp")
# datetime.fromtimestamp raises for years beyond 9999.
_LATEST = int(dt.datetime(9999, 1, 1, tzinfo=dt.UTC).timestamp())


class ProofRefused(Exception):
    """A proof that is refused; `reason`, a key of REASONS, is for machines."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return str(REASONS[self.reason])


@dataclass(frozen=True, slots=True)
class Proof:
    """The claims of a proof: its holder has received a code at `subject`."""

    sid: str
    subject: str = field(repr=False)
    channel: str
    service_sid: str
    purpose: str
    nonce: str = field(repr=False)
    test: bool
    approved_at: dt.datetime
    expires_at: dt.datetime


@sensitive_variables()
def issue(
    *,
    sid: str,
    subject: str,
    channel: str,
    service_sid: str,
    purpose: str,
    nonce: str = "",
    test: bool = False,
    approved_at: dt.datetime,
) -> str:
    """Return a proof of an approval: a compact JWT, signed with the newest key.

    Issued again for the same `sid` and `approved_at`, it is the same single use and ends as soon.
    """
    settings = conf.current()
    began = int(approved_at.timestamp())
    claims: dict[str, Any] = {
        "iss": _issuer(),
        "aud": _audience(),
        "sub": subject,
        "channel": channel,
        "service": service_sid,
        "purpose": purpose,
        "jti": sid,
        "iat": int(timezone.now().timestamp()),
        "nbf": began,
        # From the approval: asking for the proof again does not make it last longer.
        "exp": began + settings.PROOF_LIFETIME,
    }
    if nonce:
        claims["nonce"] = nonce
    if test:
        claims["test"] = True
    key_id, key = next(iter(keys.ring().items()))
    message = f"{_segment(_header(key_id, key))}.{_segment(claims)}"
    return f"{message}.{jose.url_encoded(key.sign(message.encode()))}"


@sensitive_variables()
def read(
    token: object,
    *,
    purpose: str,
    audience: str | None = None,
    nonce: str | None = None,
    allow_test: bool = False,
) -> Proof:
    """Return the claims of a valid proof, which stays unused. Raises ProofRefused.

    `token` is the request's value, of any type. The audience is PROOF_AUDIENCE by default. A
    `nonce` must be the proof's, and an empty one is nobody's; None asks for none.
    """
    claims = _signed_claims(token)
    now = timezone.now().timestamp()
    _require(now < claims["exp"], "expired")
    _require(claims["nbf"] <= now + _LEEWAY, "not_yet")
    _require(claims["iss"] == _issuer(), "wrong_issuer")
    _require(claims["aud"] == (_audience() if audience is None else audience), "wrong_audience")
    _require(claims["purpose"] == purpose, "wrong_purpose")
    _require(nonce is None or (nonce != "" and claims["nonce"] == nonce), "wrong_nonce")
    _require(allow_test or not claims["test"], "test_proof")
    return Proof(
        sid=claims["jti"],
        subject=claims["sub"],
        channel=claims["channel"],
        service_sid=claims["service"],
        purpose=claims["purpose"],
        nonce=claims["nonce"],
        test=claims["test"],
        approved_at=dt.datetime.fromtimestamp(claims["nbf"], dt.UTC),
        expires_at=dt.datetime.fromtimestamp(claims["exp"], dt.UTC),
    )


def consume(proof: Proof) -> None:
    """Use up a proof that `read` returned. Raises ProofRefused where it was used before.

    Inside a transaction of the caller's, a rollback gives it back.
    """
    # A little longer than it lasts: a machine whose clock is behind still takes it.
    kept_until = proof.expires_at + dt.timedelta(seconds=6 * _LEEWAY)
    _require(single_use.consume("proof", proof.sid, kept_until), "already_used")


@sensitive_variables()
def redeem(
    token: object,
    *,
    purpose: str,
    audience: str | None = None,
    nonce: str | None = None,
    allow_test: bool = False,
) -> Proof:
    """Return the claims of a proof, as `read` does, and use it up. Raises ProofRefused.

    Of any number of callers one gets it. Inside a transaction, a rollback gives it back.
    """
    proof = read(token, purpose=purpose, audience=audience, nonce=nonce, allow_test=allow_test)
    consume(proof)
    return proof


@sensitive_variables()
def _signed_claims(token: object) -> dict[str, Any]:
    """Return the claims of a token that one of the site's keys has signed, each of its type."""
    _require(token not in (None, ""), "missing")
    _require(isinstance(token, str), "malformed")
    text = str(token)
    message, _dot, last = text.rpartition(".")
    try:
        header, claims = jose.parse(text, _LONGEST)
        signature = jose.url_decoded(last)
    except ValueError:
        raise ProofRefused("malformed") from None
    # These three and no other: nothing that the reader would have to understand, such as `crit`.
    named = set(header) == {"typ", "alg", "kid"} and header["typ"] == TYPE
    _require(named and isinstance(header["kid"], str), "malformed")
    key = keys.ring().get(header["kid"])
    # The key determines the algorithm; a header that names another one is not the site's.
    if key is None or header != _header(header["kid"], key):
        raise ProofRefused("bad_signature")
    _require(key.has_signed(message.encode(), signature), "bad_signature")
    claims = {"nonce": "", "test": False, **claims}
    _require(_are_typed(claims), "malformed")
    return claims


def _are_typed(claims: Mapping[str, Any]) -> bool:
    """Whether every claim is there: a site may sign other tokens with a key of its own."""
    texts = all(type(claims.get(name)) is str for name in (*_TEXTS, "nonce"))
    # By `type`, because True is an int to isinstance.
    moments = all(type(claims.get(name)) is int for name in _MOMENTS)
    in_order = moments and 0 <= claims["nbf"] <= claims["exp"] < _LATEST
    return texts and in_order and type(claims["test"]) is bool


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ProofRefused(reason)


def _header(key_id: str, key: keys.Key) -> dict[str, str]:
    return {"typ": TYPE, "alg": key.algorithm, "kid": key_id}


def _segment(members: Mapping[str, Any]) -> str:
    return jose.url_encoded(json.dumps(members, separators=(",", ":")).encode())


def _issuer() -> str:
    return conf.current().BASE_URL or "django_verify"


def _audience() -> str:
    return conf.current().PROOF_AUDIENCE or _issuer()
