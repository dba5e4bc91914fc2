"""`manage.py purgeverifications`: delete the rows that are older than the settings say."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_verify import conf, health, retention, rollups
from django_verify.management import loops
from django_verify.retention import Kind, Outcome, purging

NAME = "purgeverifications"
#: The exit status of a run that was stopped before it had seen everything.
UNFINISHED = 3
# Seconds for which hours are counted before their rows go, where no worker has done it.
_COUNTING = 60.0


class Command(BaseCommand):
    """Purges in batches; any number of processes may run, and each may be stopped anywhere."""

    help = "Delete verifications, attempts and what else is older than the settings keep it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options bound a batch, the load and the run; without them everything old goes."""
        add, names = parser.add_argument, [kind.name for kind in retention.KINDS]
        add("--dry-run", action="store_true", help="count what would go, and change nothing")
        add(
            "--kind",
            action="append",
            choices=names,
            metavar="NAME",
            help=f"only this kind; may be repeated. One of: {', '.join(names)}",
        )
        add("--batch", type=int, default=purging.BATCH, help="rows locked at a time, 1–10,000")
        add(
            "--share",
            type=float,
            default=purging.SHARE,
            help="the part of its time for which the database is at work for it, above 0 and up"
            " to 1; it sleeps for the rest",
        )
        add("--seconds", type=float, help="end after a batch when so many are over")

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge, and print what went; end after the batch in hand on SIGTERM or SIGINT."""
        _refuse(options)
        chosen = [
            kind
            for kind in retention.KINDS
            if options["kind"] is None or kind.name in options["kind"]
        ]
        if not options["dry_run"]:
            rollups.advance(_COUNTING)  # of what goes nothing can be counted any more
        with loops.until_signal() as stop:
            outcomes = retention.purge(
                chosen,
                batch=options["batch"],
                share=options["share"],
                seconds=options["seconds"],
                stop=stop.is_set,
                dry_run=options["dry_run"],
            )
        for outcome in outcomes:
            self.stdout.write(_sentence(outcome, options["dry_run"]))
        if not all(outcome.finished for outcome in outcomes):
            self.stdout.write("Stopped before the end: the next run goes on.")
            sys.exit(UNFINISHED)
        if not options["dry_run"]:
            health.beat(NAME)


def _refuse(options: dict[str, Any]) -> None:
    if not 1 <= options["batch"] <= purging.LARGEST_BATCH:
        raise CommandError(f"--batch: 1–{purging.LARGEST_BATCH}.")
    if not 0 < options["share"] <= 1:
        raise CommandError("--share: above 0, at most 1.")
    if options["seconds"] is not None and options["seconds"] < 0:
        raise CommandError("--seconds: not below 0.")


def _sentence(outcome: Outcome, is_dry: bool) -> str:
    """Return what became of a kind, such as `attempts older than 30 days: 12 deleted`."""
    parts = []
    if outcome.kind.deletes:
        parts.append(f"{outcome.deleted} {'would be deleted' if is_dry else 'deleted'}")
    if outcome.kind.wiped:
        parts.append(f"{outcome.wiped} {'would be wiped' if is_dry else 'wiped'}")
    if not outcome.finished:
        parts.append("not finished")
    return f"{_described(outcome.kind)}: {', '.join(parts)}"


def _described(kind: Kind) -> str:
    if not kind.setting:
        return f"{kind.name} that have run out"
    days: int | None = getattr(conf.current(), kind.setting)
    if days is None:
        return f"{kind.name}, kept for good"
    return f"{kind.name} older than {days} {'day' if days == 1 else 'days'}"
