"""What is read from a source, in the columns of our models; nothing is written here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django_verify import sids
from django_verify.models.messaging import canonical_country
from django_verify.models.templates import TEMPLATE_CHANNELS, canonical_locale
from django_verify.moving.source import NotShown, NotThere, Source, SourceError

#: Columns of a service, by their place in its answer.
SERVICE = {
    "friendly_name": "friendly_name",
    "code_length": "code_length",
    "lookup_enabled": "lookup_enabled",
    "psd2_enabled": "psd2_enabled",
    "skip_sms_to_landlines": "skip_sms_to_landlines",
    "dtmf_input_required": "dtmf_input_required",
    "tts_name": "tts_name",
    "do_not_share_warning_enabled": "do_not_share_warning_enabled",
    "custom_code_enabled": "custom_code_enabled",
    "verify_event_subscription_enabled": "verify_event_subscription_enabled",
    "default_template_sid": "default_template_sid",
    "push.include_date": "push_include_date",
    "push.apn_credential_sid": "push_apn_credential_sid",
    "push.fcm_credential_sid": "push_fcm_credential_sid",
    "totp.issuer": "totp_issuer",
    "totp.time_step": "totp_time_step",
    "totp.code_length": "totp_code_length",
    "totp.skew": "totp_skew",
    "whatsapp.msg_service_sid": "whatsapp_msg_service_sid",
    "whatsapp.from": "whatsapp_from",
    "passkeys.relying_party.id": "passkeys_relying_party_id",
    "passkeys.relying_party.name": "passkeys_relying_party_name",
    "passkeys.relying_party.origins": "passkeys_relying_party_origins",
    "passkeys.authenticator_attachment": "passkeys_authenticator_attachment",
    "passkeys.discoverable_credentials": "passkeys_discoverable_credentials",
    "passkeys.user_verification": "passkeys_user_verification",
}
_NO_SETTINGS = {"sid", "account_sid", "date_created", "date_updated", "url", "links"}
#: Points in the longest path above; what lies deeper has the name of what it is in.
DEPTH = 2
#: Entities that are counted; whether there are more does not matter.
ENTITIES = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One object: its SID, its columns, when it was made, and what belongs to it.

    A column that is None has nothing at the source, and gets our default. `below` is None where
    the source did not let it be read.
    """

    sid: str
    values: Mapping[str, Any]
    created: dt.datetime | None = None
    below: tuple[Row, ...] | None = ()


Rows = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A service with all that belongs to it, and sentences on what could not be read.

    A list is None where the source did not let it be read.
    """

    service: Row
    account_sid: str = ""
    rate_limits: tuple[Row, ...] | None = ()
    messaging_configurations: tuple[Row, ...] | None = ()
    webhooks: tuple[Row, ...] | None = ()
    templates: tuple[Row, ...] = ()
    unread: tuple[str, ...] = ()

    def with_templates(self, templates: Mapping[str, Row]) -> Reading:
        """Return the same with all of these templates, not only the service's default one."""
        return replace(self, templates=tuple(templates.values()))


def read_service(
    source: Source, answer: Mapping[str, Any], templates: Mapping[str, Row]
) -> Reading:
    """Return what belongs to the service that the source has answered. Raises SourceError.

    `templates` are those that may be used, by their SIDs; of them the default one is taken along.
    """
    sid = _sid("VA", answer)
    values = _settings(answer)
    unread = [*_unknown(answer), *_entities(source, sid)]
    wanted = str(values["default_template_sid"] or "")
    template = templates.get(sids.canonical(wanted))
    if wanted and template is None:
        del values["default_template_sid"]  # whichever is chosen here stays
        unread.append(
            f"its default template {wanted} is not on the source's list: write it in the admin"
            " (Templates) and choose it there; until then the channel's own text is sent"
        )
    lists = _Lists(source, sid, unread)
    return Reading(
        service=Row(sid, values, _moment(answer)),
        account_sid=str(answer.get("account_sid") or ""),
        rate_limits=lists.read(lists.limit, "rate_limits", "RateLimits"),
        messaging_configurations=lists.read(
            _configuration, "messaging_configurations", "MessagingConfigurations"
        ),
        webhooks=lists.read(lists.webhook, "webhooks", "Webhooks"),
        templates=(template,) if template else (),
        unread=tuple(unread),
    )


@dataclass(frozen=True, slots=True)
class _Lists:
    """The lists of one service; what they do not show is added to `unread`."""

    source: Source
    sid: str
    unread: list[str]

    def read(self, row: Callable[[dict[str, Any]], Row], key: str, *path: str) -> Rows | None:
        try:
            return tuple(map(row, self.source.every(key, "Services", self.sid, *path)))
        except NotShown as error:
            self.unread.append(f"its {key.replace('_', ' ')} ({error})")
            return None

    def limit(self, shown: dict[str, Any]) -> Row:
        row = _limit(shown)
        return replace(row, below=self.read(_bucket, "buckets", "RateLimits", row.sid, "Buckets"))

    def webhook(self, shown: dict[str, Any]) -> Row:
        row, method = _webhook(shown), shown.get("webhook_method")
        if method not in (None, "POST"):
            self.unread.append(
                f"the method {method} of its webhook {row.sid}: events are posted here"
            )
        return row


def read_templates(source: Source) -> dict[str, Row]:
    """Return the templates that the account may use, by SID. Raises SourceError, NotShown."""
    rows = [_template(answer) for answer in source.every("templates", "Templates")]
    return {row.sid: row for row in rows}


def safe_listed(source: Source, numbers: Iterable[str]) -> list[Row]:
    """Return those of the numbers that are on the source's safe list. Raises SourceError.

    The numbers, in E.164, are kept as they were asked for, whatever the source calls them.
    """
    found = []
    for number in numbers:
        try:
            answer = source.fetch("SafeList", "Numbers", number)
        except NotThere:
            continue
        found.append(Row(_sid("GN", answer), {"phone_number": number}))
    return found


def _limit(answer: Mapping[str, Any]) -> Row:
    return Row(_sid("RK", answer), _columns(answer, "unique_name", "description"), _moment(answer))


def _bucket(answer: Mapping[str, Any]) -> Row:
    return Row(_sid("BL", answer), _columns(answer, "max", "interval"), _moment(answer))


def _configuration(answer: Mapping[str, Any]) -> Row:
    """Return a configuration; it has no SID, its country is its key."""
    country = canonical_country(str(answer.get("country") or ""))
    sid = sids.canonical(str(answer.get("messaging_service_sid") or ""))
    values = {"country": country, "messaging_service_sid": sid}
    return Row("", values, _moment(answer))


def _webhook(answer: Mapping[str, Any]) -> Row:
    names = ("friendly_name", "event_types", "webhook_url", "status", "version")
    return Row(_sid("YW", answer), _columns(answer, *names), _moment(answer))


def _template(answer: Mapping[str, Any]) -> Row:
    channels = answer.get("channels")
    known = [name for name in TEMPLATE_CHANNELS if isinstance(channels, list) and name in channels]
    # Where none is known, the model's rules say so.
    texts = answer.get("translations")
    translations = texts.values() if isinstance(texts, dict) else ()
    return Row(
        _sid("HJ", answer),
        {"friendly_name": answer.get("friendly_name"), "channels": known or channels},
        below=tuple(_translation(each) for each in translations if isinstance(each, dict)),
    )


def _translation(answer: Mapping[str, Any]) -> Row:
    status = answer.get("status")
    values = {
        "locale": canonical_locale(str(answer.get("locale") or "")),
        "text": answer.get("text"),
        "is_default": answer.get("is_default_translation"),
        # Only an approved text is sent, so whatever else it is called there, it waits here.
        "status": status if status in ("approved", "rejected") else "pending",
    }
    return Row("", values, _moment(answer))


def _settings(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a service, None where the source has nothing."""
    values = {column: _at(answer, path) for path, column in SERVICE.items()}
    if values["totp_issuer"] == values["friendly_name"]:
        values["totp_issuer"] = None  # the friendly name, also when that changes
    origins = values["passkeys_relying_party_origins"]
    if isinstance(origins, list):
        values["passkeys_relying_party_origins"] = ",".join(map(str, origins)) or None
    return values


def _unknown(answer: Mapping[str, Any]) -> list[str]:
    """Return sentences on the settings of a service that we do not have."""
    known = {*SERVICE, *_NO_SETTINGS}
    found = [name for name, value in _flat(answer) if name not in known and value]
    return [f"its setting {name} has no counterpart here" for name in found]


def _flat(answer: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in answer.items():
        path = f"{before}{name}"
        if isinstance(value, dict) and path not in _NO_SETTINGS and path.count(".") < DEPTH:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _entities(source: Source, sid: str) -> list[str]:
    """Return a sentence where the service has entities: no API shows what their factors hold."""
    try:
        answer = source.fetch("Services", sid, "Entities", PageSize=str(ENTITIES))
    except NotShown as error:
        return [f"its entities, which could not be counted ({error})"]
    found = answer.get("entities")
    count = len(found) if isinstance(found, list) else 0
    if not count:
        return []
    text = f"{count} or more" if count >= ENTITIES else str(count)
    sentence = (
        f"the factors of its entities ({text}): no API shows their seeds and keys, so people enrol"
        " anew here; send challenges of the old factors to the old base URL until they have"
    )
    return [sentence]


def _columns(answer: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: answer.get(name) for name in names}


def _at(answer: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path; None where any part of it is not there."""
    value: Any = answer
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value == "" else value


def _sid(prefix: str, answer: Mapping[str, Any]) -> str:
    sid = str(answer.get("sid") or "")
    if not sids.is_sid(prefix, sid):
        raise SourceError(f"an answer has no SID {prefix}…; is this the URL of a Verify API?")
    return sids.canonical(sid)


def _moment(answer: Mapping[str, Any]) -> dt.datetime | None:
    """Return when an object was made, in UTC; None where that cannot be read or cannot be."""
    try:
        moment = dt.datetime.fromisoformat(str(answer.get("date_created")))
        moment = moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
    # No Verify API is older, and the first and the last days have no name in every time zone.
    return moment if 2000 <= moment.year < 9999 else None
