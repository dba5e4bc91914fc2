"""What was read becomes rows: a service in one transaction, and again what has changed since.

What our own rules refuse is left out, and said so; what is here and not at the source stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from django.db.models import BooleanField, IntegerField, JSONField, Model, Q

from django_verify import sids
from django_verify.contact import phones
from django_verify.crypto import codes
from django_verify.db import retry, savepoints
from django_verify.models import (
    Account,
    ApiKey,
    Bucket,
    MessagingConfiguration,
    MessagingService,
    PushCredential,
    RateLimit,
    SafeListNumber,
    Template,
    TemplateTranslation,
    VerifyService,
    Webhook,
)
from django_verify.moving.reading import Reading, Row
from django_verify.moving.source import Credentials

#: Columns whose values are not shown when they change: long, or with a secret in them.
_NOT_SHOWN = {"text", "webhook_url"}


@dataclass(slots=True)
class Outcome:
    """What became of a service or a list: `changes` made, and what was `left`, one sentence each.

    Without changes everything was as it is at the source. `is_refused` where there is no row.
    """

    name: str
    changes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """The account here that receives, by its SID; it is made where it is not there.

    `token` is its auth token then. With `key`, that API key opens the account too, where no key
    has its SID yet.
    """

    sid: str
    token: str = field(repr=False)
    friendly_name: str = "Moved here"
    key: Credentials | None = None

    def is_there(self) -> bool:
        """Whether the account exists already."""
        return bool(_rows(Account).filter(sid=self.sid).exists())

    def opens(self) -> bool:
        """Whether `token` is the auth token of the account that is there."""
        row = _rows(Account).filter(sid=self.sid).first()
        return row is not None and codes.secret_matches(row.auth_token_hash, self.token)

    def key_holder(self) -> str:
        """Return the SID of the account that has a key with the SID of `key`; empty for none."""
        keys = _rows(ApiKey).filter(sid=sids.canonical(self.key.name)) if self.key else ()
        return next((str(row.account_id) for row in keys), "")

    def account(self) -> Account:
        """Return the account, made if need be."""
        account: Account | None = _rows(Account).filter(sid=self.sid).first()
        if account is None:
            account = Account(sid=self.sid, friendly_name=self.friendly_name)
            account.set_auth_token(self.token)
            account.save(using=_using(), force_insert=True)
        key = self.key
        if key and not self.key_holder():
            row = ApiKey(sid=sids.canonical(key.name), account=account, friendly_name="Moved here")
            row.secret_hash = codes.hash_secret(key.secret)
            row.save(using=_using(), force_insert=True)
        return account


class _DryRunError(Exception):
    """Rolls the transaction back; what would have been done is in `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def carry(reading: Reading, recipient: Recipient, *, dry_run: bool = False) -> Outcome:
    """Make or update a service and what belongs to it, in one transaction; return what was done.

    With `dry_run` the transaction is rolled back at its end.
    """
    try:
        return _carry(reading, recipient, dry_run)
    except _DryRunError as end:
        return end.outcome


def carry_safe_list(rows: Iterable[Row], recipient: Recipient, *, dry_run: bool = False) -> Outcome:
    """Put numbers on the account's safe list, in one transaction; return what was done."""
    try:
        return _carry_safe_list(list(rows), recipient, dry_run)
    except _DryRunError as end:
        return end.outcome


@retry.on_conflict
def _carry(reading: Reading, recipient: Recipient, dry_run: bool) -> Outcome:
    name = reading.service.values["friendly_name"] or ""
    outcome = Outcome(f"{reading.service.sid} {name}".strip())
    outcome.left += reading.unread
    with savepoints.atomic(_using()):
        account = recipient.account()
        for template in reading.templates:
            _carry_template(template, account, outcome)
        writer = _Writer(VerifyService, {"account": account}, outcome)
        service = writer.write(_service_row(reading.service, account, outcome))
        if service is None:
            outcome.is_refused = True
        else:
            _carry_what_belongs_to(service, reading, outcome)
        if dry_run:
            raise _DryRunError(outcome)
    return outcome


def _service_row(row: Row, account: Account, outcome: Outcome) -> Row:
    """Return a service without the push credentials that have been replaced by some of ours.

    And without a default template that cannot be sent here: each SMS would be refused with it.
    """
    values = dict(row.values)
    template = values.get("default_template_sid")
    if template and not _is_sendable(str(template), account):
        del values["default_template_sid"]
        outcome.left.append(
            f"its default template {template}: it has no text here that may be sent in any"
            " language. Mend that in the admin (Templates) and run this again, or choose another"
            " one for the service; until then the choice here stays as it is"
        )
    present = _rows(VerifyService).filter(sid=row.sid).first()
    for kind in ("apn", "fcm"):
        column = f"push_{kind}_credential_sid"
        chosen = getattr(present, column, "")
        if chosen and _rows(PushCredential).filter(sid=sids.canonical(chosen)).exists():
            del values[column]
        elif values[column]:
            outcome.left.append(
                f"the secret of its {kind.upper()} credential {values[column]}: add a push"
                " credential in the admin and choose it for this service"
            )
    return Row(row.sid, values, row.created)


def _is_sendable(sid: str, account: Account) -> bool:
    """Whether a template of the account, or a ready-made one, has a text for every language."""
    texts = _rows(TemplateTranslation).filter(status="approved", is_default=True)
    usable = Q(template__account=account) | Q(template__account=None)
    return bool(texts.filter(usable, template_id=sids.canonical(sid)).exists())


def _carry_what_belongs_to(service: VerifyService, reading: Reading, outcome: Outcome) -> None:
    limits = _Writer(RateLimit, {"service": service}, outcome, "unique_name")
    for row, limit in limits.write_all(reading.rate_limits):
        buckets = _Writer(Bucket, {"rate_limit": limit}, outcome, "interval")
        buckets.write_all(row.below)
    configurations = _Writer(MessagingConfiguration, {"service": service}, outcome, "country")
    configurations.write_all(reading.messaging_configurations)
    _note_routes(service, reading, outcome)
    webhooks = _Writer(Webhook, {"service": service}, outcome, "friendly_name")
    webhooks.write_all(reading.webhooks)
    if reading.webhooks:
        outcome.left.append(
            "the signing secret of its webhooks: the vendor signs with the account's auth token,"
            " this site with a secret of each webhook. To keep receivers as they are, run manage.py"
            ' rotatewebhooksecret YW… --secret "$TWILIO_AUTH_TOKEN" for each'
        )


def _note_routes(service: VerifyService, reading: Reading, outcome: Outcome) -> None:
    """Say which messaging services are named and have no senders in the account here."""
    rows = reading.messaging_configurations or ()
    named = {str(row.values["messaging_service_sid"]) for row in rows}
    named.add(sids.canonical(service.whatsapp_msg_service_sid))
    named = {sid for sid in named if sids.is_sid("MG", sid)}
    routes = _rows(MessagingService).filter(sid__in=named, account_id=service.account_id)
    known = {sid for sid, senders in routes.values_list("sid", "senders") if senders}
    outcome.left += [
        f"the senders of {sid}: add a route with this SID in the admin (Routes by country) and"
        " choose senders; until then the service's own are used"
        for sid in sorted(named - known)
    ]


def _carry_template(row: Row, account: Account, outcome: Outcome) -> None:
    if _rows(Template).filter(sid=row.sid, account=None).exists():
        return  # a ready-made one, as another site of this package shows it
    template = _Writer(Template, {"account": account}, outcome, "friendly_name").write(row)
    if template is not None:
        translations = _Writer(TemplateTranslation, {"template": template}, outcome, "locale")
        translations.write_all(row.below)


@retry.on_conflict
def _carry_safe_list(rows: list[Row], recipient: Recipient, dry_run: bool) -> Outcome:
    outcome = Outcome("Safe list")
    with savepoints.atomic(_using()):
        account = recipient.account()
        listed = _rows(SafeListNumber).filter(account_id=account.sid)
        for row in rows:
            phone = phones.listed(row.values["phone_number"])
            if listed.filter(key=phone.key).exists():
                continue
            if _rows(SafeListNumber).filter(sid=row.sid).exists():
                outcome.left.append(f"{row.sid}: this SID is taken here")
                continue
            entry = SafeListNumber(sid=row.sid, account=account, phone_number=phone.number)
            entry.save(using=_using(), force_insert=True)
            outcome.changes.append(f"{row.sid} {phones.mask(phone.number)}: made")
        if dry_run:
            raise _DryRunError(outcome)
    return outcome


class _Writer:
    """Writes rows of one model below one parent.

    A row is found by its SID, or by `name`, the column that is unique below the parent, where the
    source has no SIDs. `name` also says in the report which row is meant.
    """

    def __init__(
        self, model: type[Any], parent: Mapping[str, Model], outcome: Outcome, name: str = ""
    ) -> None:
        self.model, self.parent, self.outcome, self.name = model, parent, outcome, name
        self.kind = model._meta.verbose_name  # noqa: SLF001 - a documented API

    def write_all(self, rows: Iterable[Row] | None) -> list[tuple[Row, Any]]:
        """Write several rows, and name those here that are none of them.

        Return those that were not refused, each with its object. None are rows that nobody knows.
        """
        if rows is None:
            return []
        rows = list(rows)
        written = [(row, self.write(row)) for row in rows]
        self._note_others(rows)
        return [(row, obj) for row, obj in written if obj is not None]

    def write(self, row: Row) -> Any:
        """Make or update a row; return it, or None where it was refused."""
        # The service itself is named by the outcome already.
        label = f"{row.sid} {row.values.get(self.name, '')}".strip() if self.name else ""
        found = self._found(row)
        if found is not None and not self._is_ours(found):
            self._leave(label, "this SID is another account's or another parent's here")
            return None
        obj = found or self.model(**self.parent, **({"pk": row.sid} if row.sid else {}))
        if found is None and row.created is not None:
            obj.date_created = row.created
        before = {name: getattr(obj, name) for name in row.values}
        if not self._set(obj, row.values, before, label):
            return None
        changed = [name for name in row.values if getattr(obj, name) != before[name]]
        if found is not None and not changed:
            return obj
        return self._save(obj, changed, before, label, is_new=found is None)

    def _note_others(self, rows: Iterable[Row]) -> None:
        """Say which rows are here and not at the source."""
        here = _rows(self.model).filter(**self.parent)
        if self.name in {"country", "locale"}:
            there = {row.values[self.name] for row in rows}
            others = sorted(set(here.values_list(self.name, flat=True)) - there)
        else:
            others = sorted(set(here.values_list("pk", flat=True)) - {row.sid for row in rows})
        for other in others:
            self.outcome.left.append(
                f"the {self.kind} {other} is here and not at the source: it stays"
            )

    def _found(self, row: Row) -> Any:
        rows = _rows(self.model)
        if row.sid:
            return rows.filter(pk=row.sid).first()
        if _misfit(self.model, self.name, row.values[self.name]):
            return None  # and so it is refused
        return rows.filter(**self.parent, **{self.name: row.values[self.name]}).first()

    def _is_ours(self, obj: Any) -> bool:
        return all(getattr(obj, f"{name}_id") == parent.pk for name, parent in self.parent.items())

    def _set(
        self, obj: Any, values: Mapping[str, Any], before: Mapping[str, Any], label: str
    ) -> bool:
        """Set what our rules allow; return whether the row is valid with it."""
        refused = {}
        for name, value in values.items():
            default = obj._meta.get_field(name).get_default()  # noqa: SLF001 - a documented API
            if value is None:
                setattr(obj, name, default)
            elif why := _misfit(self.model, name, value):
                refused[name] = why
            else:
                setattr(obj, name, value)
        refused = {name: why for name, why in _faults(obj).items() if name in values} | refused
        for name in refused:
            setattr(obj, name, before[name])
        needed = _faults(obj).keys() & refused.keys() if refused else set()
        for name, why in refused.items():
            end = "so it was not made" if name in needed else f"it is {_shown(name, obj)}"
            self._leave(label, f"{name} is refused here ({why}); {end}")
        return not needed

    def _save(
        self, obj: Any, changed: list[str], before: Mapping[str, Any], label: str, *, is_new: bool
    ) -> Any:
        def save() -> None:
            if is_new:
                obj.save(using=_using(), force_insert=True)
            else:
                obj.save(using=_using(), update_fields=[*changed, "date_updated"])

        if isinstance(obj, Webhook) and "status" in changed:
            # As over the API: who enables a webhook again gives it a fresh start.
            obj.disabled_reason, obj.failing_since = "", None
            changed = [*changed, "disabled_reason", "failing_since"]
        if savepoints.tolerate(save, using=_using(), ignore=IntegrityError):
            self._leave(label, "another row here has its name: delete or rename that one")
            return None
        begin = f"{self.kind} {label}: " if label else ""
        if is_new:
            self.outcome.changes.append(f"{begin}made")
        else:
            self.outcome.changes += [
                begin + _change(name, before[name], getattr(obj, name))
                for name in changed
                if name in before
            ]
        return obj

    def _leave(self, label: str, sentence: str) -> None:
        self.outcome.left.append(f"{self.kind} {label}: {sentence}" if label else sentence)


def _misfit(model: type[Any], name: str, value: Any) -> str:
    """Return why no column of this kind can hold a value; empty where it can.

    The validators expect a value of the column's kind, as JSON has it.
    """
    field = model._meta.get_field(name)  # noqa: SLF001 - a documented API
    if isinstance(field, BooleanField):
        return "" if isinstance(value, bool) else "true or false is required"
    if isinstance(field, IntegerField):
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if is_whole else "a whole number is required"
    texts = value if isinstance(field, JSONField) and isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        return "a text is required"
    return "" if all(map(_is_storable, texts)) else "it holds characters that are no text"


def _is_storable(text: str) -> bool:
    """Whether every database can hold a text: no lone halves of characters, no NUL."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _faults(obj: Any) -> dict[str, str]:
    """Return the fields that the model's validators refuse, each with one reason."""
    fields = obj._meta.fields  # noqa: SLF001 - a documented API
    try:
        obj.clean_fields(exclude=[each.name for each in fields if each.is_relation])
    except ValidationError as error:
        return {name: reasons[0].messages[0] for name, reasons in error.error_dict.items()}
    return {}


def _change(name: str, before: Any, after: Any) -> str:
    if name in _NOT_SHOWN:
        return f"{name} changed"
    return f"{name}: {_written(before)} → {_written(after)}"


def _shown(name: str, obj: Any) -> str:
    return "left as it is" if name in _NOT_SHOWN else _written(getattr(obj, name))


def _written(value: Any) -> str:
    """Return a value as Python writes it; a choice as the text that it is."""
    return repr(str(value) if isinstance(value, str) else value)


def _rows(model: type[Any]) -> Any:
    """Return all rows of the database that is written."""
    return model._default_manager.using(_using())  # noqa: SLF001


def _using() -> str:
    return router.db_for_write(VerifyService)
