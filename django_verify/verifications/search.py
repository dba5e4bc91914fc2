"""What an operator has of a person, as a search: a number in any spelling, its end, an id.

The verbs of a face that lists verifications and messages; nothing is shown or masked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from django_verify import senders, sids
from django_verify.contact import emails, phones, typed
from django_verify.exceptions import InvalidParameter
from django_verify.messages import channels
from django_verify.models import (
    Account,
    ClientVerification,
    GeoPermission,
    SenderState,
    Verification,
    VerificationAttempt,
)

#: The digits by which a number is found at its end: for viewers of masked numbers no other count.
LAST = 4
#: Verifications whose countries a national number is tried in.
LATEST = 500
#: Countries that are tried at most.
MOST_REGIONS = 40
#: Messages of one provider's id that are looked at: it should be one.
_MOST_MESSAGES = 20
_SHORTEST_NATIONAL = 5
_NOTHING = Q(pk__in=())


@dataclass(frozen=True, slots=True)
class Found:
    """The condition of a search, for verifications and for their messages.

    `is_whole` says that an index answers it. Otherwise each row is compared, so that the
    caller bounds the rows first.
    """

    verifications: Q
    messages: Q
    is_whole: bool = True


def find(term: str, *, may_see: bool, regions: Iterable[str] = ()) -> Found | None:
    """Return what a person typed as a condition; None for nothing at all.

    `may_see` is whether the viewer may see numbers: without it a number is found whole or by its
    last four digits, and an address whole. A number without its country code is tried in the
    regions, ISO 3166 codes, and in those of `regions_in_use`.
    """
    term = typed.plain(term)
    if not term:
        return None
    return (
        _of_sid(term)
        or _of_recipient(term, regions)
        or _of_provider(term)
        or _of_a_part(term, may_see=may_see)
    )


def regions_in_use() -> list[str]:
    """Return the countries that operators have allowed by name, and those of the latest starts."""
    allowed = GeoPermission.objects.filter(action=GeoPermission.Action.ALLOW).order_by()
    named = allowed.values_list("country", flat=True).distinct()[:MOST_REGIONS]
    latest = Verification.objects.order_by("-pk").values_list("country", flat=True)[:LATEST]
    found = [*dict.fromkeys(latest), *named]
    return [region for region in dict.fromkeys(found) if region in phones.SUPPORTED]


def _of_sid(term: str) -> Found | None:
    """Return the condition of a SID: of a verification or a message, or of what they belong to."""
    sid = term[:2].upper() + term[2:]
    prefix = sid[:2]
    if not sids.is_sid(prefix, sid):
        return None
    sid = sids.canonical(sid)
    if prefix == "VE":
        return Found(Q(pk=sid), Q(verification=sid))
    if prefix == "VL":
        return Found(Q(attempts__pk=sid), Q(pk=sid))
    if prefix == "CV":
        of = ClientVerification.objects.filter(pk=sid).order_by().values("verification")
        return Found(Q(pk__in=of), Q(verification__in=of))
    column = {"VA": "service", "AC": "account"}.get(prefix)
    return Found(Q(**{column: sid}), Q(**{f"verification__{column}": sid})) if column else None


def _of_recipient(term: str, regions: Iterable[str]) -> Found | None:
    """Return the condition of a whole number or mailbox, in whatever spelling."""
    keys = _keys(term, regions)
    if not keys:
        return None
    # The index on recipients begins with the account, so all accounts are named.
    accounts = Account.objects.order_by().values("pk")
    where: dict[str, object] = {"account__in": accounts, "recipient_key__in": sorted(keys)}
    if "@" in term and not all(map(emails.is_mailbox, keys)):
        # The key of a mailbox leaves out its tag, which may be another person's.
        where["to__iexact"] = typed.email(term)
    found = Found(
        Q(**where), Q(**{f"verification__{name}": value for name, value in where.items()})
    )
    # Few digits are a whole number somewhere, and the end of one to the person who types them.
    is_certain = "@" in term or term.startswith("+") or bool(_key(_international(term)))
    if is_certain or Verification.objects.filter(found.verifications).exists():
        return found
    return None


def _keys(term: str, regions: Iterable[str]) -> set[str]:
    """Return the keys of all that a term may be, if it is complete."""
    if "@" in term:
        try:
            return {channels.parse_recipient(emails.read(term).address).key}
        except (ValueError, InvalidParameter):
            return set()
    keys = {_key(_international(term)), _key(term)}
    digits = typed.joined(term)
    if digits.isascii() and digits.isdigit() and len(digits) >= _SHORTEST_NATIONAL:
        tried = dict.fromkeys([*regions, *regions_in_use()])
        keys.update(_key(term, region) for region in list(tried)[:MOST_REGIONS])
    return keys - {""}


def _key(term: str, region: str = "") -> str:
    try:
        return phones.read(term, region).key
    except ValueError:
        return ""


def _international(term: str) -> str:
    """Return digits as a number with its country code, and anything else as it is."""
    number = typed.joined(term)
    is_digits = number.isascii() and number.isdigit()
    return f"+{number.removeprefix('00')}" if is_digits else number


def _of_provider(term: str) -> Found | None:
    """Return the condition of a provider's message id; None where no sender has given it.

    Each of two partial indexes answers for its own rows: those that are settled, and the few that
    something is still due of.
    """
    aliases = {*senders.configured(), *SenderState.objects.values_list("alias", flat=True)}
    sent = VerificationAttempt.objects.filter(sender__in=aliases, provider_sid=term).order_by()
    pairs = [
        pair
        for rows in (sent.filter(due_at=None), sent.exclude(due_at=None))
        for pair in rows.values_list("pk", "verification_id")[:_MOST_MESSAGES]
    ]
    if not pairs:
        return None
    attempts, rows = zip(*pairs, strict=True)
    return Found(Q(pk__in=rows), Q(pk__in=attempts))


def _of_a_part(term: str, *, may_see: bool) -> Found:
    """Return the condition of how a recipient ends, or begins; each row is compared."""
    digits = typed.joined(term)
    is_end = digits.isascii() and digits.isdigit()
    is_end = is_end and (len(digits) >= LAST if may_see else len(digits) == LAST)
    begins = typed.email(term) if "@" in term else _international(term)

    def condition(to: str) -> Q:
        where = Q(**{f"{to}__startswith": "+", f"{to}__endswith": digits}) if is_end else _NOTHING
        return where | Q(**{f"{to}__istartswith": begins}) if may_see else where

    return Found(condition("to"), condition("verification__to"), is_whole=False)
