"""What the emulator holds at its start: its tables, an account, a service, and the seed's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_save

from django_verify import sids
from django_verify.crypto import codes
from django_verify.emulator.options import Options
from django_verify.exceptions import VerifyError
from django_verify.factors import entities
from django_verify.models import Account, ApiKey, Factor, PrefixRule, VerifyService

#: More than any test sends; the column takes no more.
SENDS = 32_767
#: What a service has by default.
DEFAULT_SENDS = 5


def fill(options: Options) -> dict[str, str]:
    """Make the tables and what the options ask for; return the codes of services that fix one."""
    _make_tables(stays=bool(options.database))
    if not options.limits:
        pre_save.connect(_without_end, sender=VerifyService)
    if not options.strict:
        _open_every_number()
    account = _account(options.account_sid, options.auth_token, "Emulator")
    if not VerifyService.objects.filter(sid=options.service_sid).exists():
        service(account, sid=options.service_sid)
    return _sow(account, options.seed)


def _sow(account: Account, seed: Mapping[str, Any]) -> dict[str, str]:
    """Make what a seed names, but for what is there; return the codes of services that fix one."""
    fixed: dict[str, str] = {}
    for row in seed.get("services", ()):
        _seeded(account, row, fixed)
    for row in seed.get("accounts", ()):
        owner = _account(row["sid"], row["auth_token"], row.get("friendly_name", "Seed"))
        for key in row.get("keys", ()):
            _key(owner, key)
        for each in row.get("services", ()):
            _seeded(owner, each, fixed)
    return fixed


def _make_tables(*, stays: bool) -> None:
    """Make them by the migrations, or for a site that does not stay in less time by the models."""
    if stays:
        call_command("migrate", verbosity=0, interactive=False)
        return
    initial = import_module("django_verify.migrations.0001_initial")
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            if not model._meta.proxy:  # noqa: SLF001 - a documented API
                editor.create_model(model)
        initial.write_templates(apps, editor)


def _without_end(instance: VerifyService, **_: Any) -> None:
    """Let a new service send as often as it is asked, where nothing is said of that."""
    # Not the column's default: what the API makes is validated, and has a bound there.
    if instance._state.adding and instance.max_sends == DEFAULT_SENDS:  # noqa: SLF001 - Django's own
        instance.max_sends = SENDS


def _open_every_number() -> None:
    """Let numbers pass that no country's plan has, such as those of films."""
    for digit in "123456789":
        PrefixRule.objects.get_or_create(prefix=f"+{digit}", action="allow", account=None)


def _account(sid: str, token: str, name: str) -> Account:
    sid = sids.canonical(sid)
    found = Account.objects.filter(sid=sid).first()
    found = found or Account(sid=sid, friendly_name=name)
    found.set_auth_token(token)
    found.save()
    return found


def _key(account: Account, row: Mapping[str, Any]) -> None:
    sid = sids.canonical(row["sid"])
    found = ApiKey.objects.filter(sid=sid).first() or ApiKey(sid=sid)
    found.account, found.friendly_name = account, row.get("friendly_name", "Seed")
    found.secret_hash = codes.hash_secret(row["secret"])
    found.save()


def service(account: Account, **values: Any) -> VerifyService:
    """Return a new service; where nothing is said of its name, it is the emulator's."""
    values.setdefault("friendly_name", "Emulator")
    made = VerifyService(account=account, **values)
    made.save(force_insert=True)
    return made


def _seeded(account: Account, row: Mapping[str, Any], fixed: dict[str, str]) -> None:
    """Make a service of the seed with its factors, unless it is there. Raises ValueError."""
    values = {name: value for name, value in row.items() if name not in {"code", "factors"}}
    sid = values["sid"] = sids.canonical(values["sid"])
    if "code" in row:
        fixed[sid] = str(row["code"])
    fields = {field.name for field in VerifyService._meta.fields}  # noqa: SLF001 - documented
    known = fields - {"account"}
    if unknown := values.keys() - known:
        raise ValueError(f"--seed: services: there is no {min(unknown)!r}")
    found = VerifyService.objects.filter(sid=sid).first()
    found = found or VerifyService(friendly_name="Emulator")
    for name, value in {**values, "account": account}.items():
        setattr(found, name, value)
    try:
        # What the seed leaves out is the emulator's, which may be more than a site allows.
        found.full_clean(exclude=fields - values.keys())
    except ValidationError as error:
        name, reasons = next(iter(error.message_dict.items()))
        raise ValueError(f"--seed: services: {name}: {' '.join(reasons)}") from None
    found.save()
    for factor in row.get("factors", ()):
        _factor(found, factor)


def _factor(owner: VerifyService, row: Mapping[str, Any]) -> None:
    """Make a verified authenticator app, unless its entity has one of the name."""
    name = row.get("friendly_name", "Seed")
    seeded = Factor.objects.filter(
        service=owner, entity__identity=row["identity"], friendly_name=name
    )
    if seeded.exists():
        return
    params = {"binding_secret": row["secret"]} if row.get("secret") else {}
    try:
        made = entities.enrol(owner, row["identity"], "totp", name, params=params)
    except VerifyError as error:
        raise ValueError(f"--seed: factors: {error.message}") from None
    Factor.objects.filter(pk=made.pk).update(status="verified")
