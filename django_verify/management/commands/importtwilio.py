"""`manage.py importtwilio`: the services of a Twilio account, under the same SIDs."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_verify import moving, sids
from django_verify.contact import phones
from django_verify.crypto import codes
from django_verify.moving import (
    Credentials,
    NotShown,
    Outcome,
    Reading,
    Recipient,
    Source,
    SourceError,
)
from django_verify.moving.reading import Row
from django_verify.moving.source import TWILIO

SHORTEST_SECRET = 32

#: What no API shows, and what to do about each.
NOT_SHOWN = (
    "Running verifications: a check that answers 404 here belongs to the source, for ten minutes.",
    "Lifetimes of codes, switched-off channels, geo permissions and Fraud Guard: set in the admin.",
    "E-mail integrations: configure an e-mail sender (docs/senders.md).",
    "Access tokens of apps: they run out within five minutes; your backend makes new ones here.",
    "Event Streams: add an event sink in the admin for services whose event subscription is on.",
    "API keys other than the one in the environment: their secrets are shown by no API.",
)
SAFE_LIST = (
    "The safe list: the API answers for single numbers alone. Name a file of numbers with"
    " --safe-list, or add them in the admin."
)


class Command(BaseCommand):
    """Reads over HTTP, writes a service in one transaction, and says what stays behind."""

    help = (
        "Make the services of a Twilio account here, with the same SIDs and settings. Reads"
        " TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_KEY_SECRET."
        " Run again, it updates what has changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to read, what to read, and which account receives it."""
        parser.add_argument("--base-url", default=TWILIO, help=f"default {TWILIO}")
        parser.add_argument(
            "--account", default="", help="AC… here that receives; by default the SID it has there"
        )
        parser.add_argument(
            "--keep-credentials",
            action="store_true",
            help="let the credentials in the environment open the account here, too",
        )
        parser.add_argument(
            "--service",
            action="append",
            default=[],
            metavar="VA…",
            help="this one alone; repeatable",
        )
        parser.add_argument(
            "--all-templates",
            action="store_true",
            help="not only the default templates of services, but what callers may name, too",
        )
        parser.add_argument(
            "--safe-list", default="", metavar="FILE", help="numbers to ask for, one a line"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, write, report. Raises CommandError, also where a service was not made."""
        self.dry_run: bool = options["dry_run"]
        try:
            source = Source(options["base_url"], _credentials(os.environ))
            readings = _readings(source, options["service"], all_templates=options["all_templates"])
            refused = self._carry(source, readings, options)
        except SourceError as error:
            raise CommandError(str(error)) from None
        self._head("What the API does not show, and what to do:")
        for sentence in (*NOT_SHOWN, *(() if options["safe_list"] else (SAFE_LIST,))):
            self._line(f"  {sentence}")
        if refused:
            raise CommandError(f"Not made: {_visible(', '.join(refused))}.")

    def _carry(
        self, source: Source, readings: Iterator[Reading], options: Mapping[str, Any]
    ) -> list[str]:
        """Write what is read, service by service; return the names of those refused."""
        numbers = _numbers(options["safe_list"])
        recipient, refused, nothing = None, [], True
        for reading in readings:
            nothing = False
            if recipient is None:
                recipient = self._recipient(source, reading.account_sid, options)
            outcome = moving.carry(reading, recipient, dry_run=self.dry_run)
            self._report(outcome)
            if outcome.is_refused:
                refused.append(outcome.name)
        if nothing:
            self._line("The account has no services.")
        if numbers:
            recipient = recipient or self._recipient(source, "", options)
            listed = moving.safe_listed(source, numbers)
            self._head(f"The file has {len(numbers)} numbers; on the safe list: {len(listed)}")
            self._report(moving.carry_safe_list(listed, recipient, dry_run=self.dry_run))
        return refused

    def _recipient(self, source: Source, there: str, options: Mapping[str, Any]) -> Recipient:
        """Return the account that receives, and print its token if it is made with a new one."""
        sid = options["account"] or there or source.credentials.name
        if not sids.is_sid("AC", sid):
            raise CommandError("--account: AC and 32 hexadecimal digits are required.")
        sid, mine = sids.canonical(sid), source.credentials
        kept = mine if options["keep_credentials"] else None
        if kept and len(kept.secret) < SHORTEST_SECRET:
            raise CommandError(f"--keep-credentials: at least {SHORTEST_SECRET} characters.")
        is_key = sids.is_sid("SK", mine.name)
        token = kept.secret if kept and not is_key else codes.new_secret()
        recipient = Recipient(sid, token, key=kept if is_key else None)
        if recipient.is_there():
            differs = kept and not is_key and not recipient.opens()
            end = ", which is not the one in the environment" if differs else ""
            self._head(f"Account {sid}: is here, and keeps its auth token{end}")
        else:
            shown = "as at the source" if kept and not is_key else token
            known = "a new one" if self.dry_run else shown
            self._head(f"Account {sid}: made; its auth token, shown this once: {known}")
        if recipient.key:
            holder = recipient.key_holder()
            does = "is here, and keeps its secret" if holder else "opens it too"
            if holder not in {"", sid}:
                does = f"is here for the account {holder}, and does not open this one"
            self._head(f"API key {recipient.key.name}: {does}")
        return recipient

    def _report(self, outcome: Outcome) -> None:
        same = "" if outcome.changes else " nothing has changed"
        self._head(f"{outcome.name}:{' not made' if outcome.is_refused else same}")
        for change in outcome.changes:
            self._line(f"  {change}")
        for sentence in outcome.left:
            self._line(f"  not carried over: {sentence}")

    def _head(self, line: str) -> None:
        self._line(("[dry run] " if self.dry_run else "") + line)

    def _line(self, line: str) -> None:
        """Print a line; what the terminal has no letters for is escaped, for a run must not end."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        self.stdout.write(_visible(line).encode(encoding, "backslashreplace").decode(encoding))


def _visible(text: str) -> str:
    """Return a text with all that would steer a terminal escaped: the source has written it."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _credentials(environment: Mapping[str, str]) -> Credentials:
    """Return the API key of the environment, or else its account. Raises CommandError."""
    key = environment.get("TWILIO_API_KEY", "")
    key_secret = environment.get("TWILIO_API_KEY_SECRET") or environment.get("TWILIO_API_SECRET")
    if key and key_secret:
        name, secret, prefix = key, key_secret, "SK"
    else:
        name = environment.get("TWILIO_ACCOUNT_SID", "")
        secret, prefix = environment.get("TWILIO_AUTH_TOKEN", ""), "AC"
    if not name or not secret:
        raise CommandError(
            "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the environment, or TWILIO_API_KEY and"
            " TWILIO_API_KEY_SECRET."
        )
    if not sids.is_sid(prefix, name):
        raise CommandError(f"{prefix} and 32 hexadecimal digits are required for the user name.")
    return Credentials(name, secret)


def _readings(source: Source, wanted: list[str], *, all_templates: bool) -> Iterator[Reading]:
    """Yield the services of the source, or those wanted. Raises SourceError, CommandError."""
    for sid in wanted:
        if not sids.is_sid("VA", sid):
            raise CommandError("--service: VA and 32 hexadecimal digits are required.")
    if wanted:
        answers: Iterable[dict[str, Any]] = (source.fetch("Services", sid) for sid in wanted)
    else:
        answers = source.every("services", "Services")
    templates = moving.read_templates(source) if all_templates else None
    is_first = True
    for answer in answers:
        if templates is None and answer.get("default_template_sid"):
            templates = _templates_if_shown(source)
        reading = moving.read_service(source, answer, templates or {})
        yield reading.with_templates(templates or {}) if all_templates and is_first else reading
        is_first = False


def _templates_if_shown(source: Source) -> dict[str, Row]:
    """Return none where they may not be listed: each service says so of its default one."""
    try:
        return moving.read_templates(source)
    except NotShown:
        return {}


def _numbers(path: str) -> list[str]:
    """Return the numbers in the lines of a file, in E.164. Raises CommandError."""
    if not path:
        return []
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"--safe-list: {error}") from None
    lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), 1)]
    return [_number(at, line) for at, line in lines if line]


def _number(at: int, line: str) -> str:
    """Return the number in a line: in E.164 as it stands there, else as people write numbers."""
    with suppress(ValueError):
        phones.listed(line)
        return line
    try:
        return phones.read(line).number
    except ValueError:
        raise CommandError(f"--safe-list: line {at} is no number in international form.") from None
