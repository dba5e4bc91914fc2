"""Writes `docs/commands.md` from the commands' own parsers: `python -m docs.commands`."""

import argparse
import importlib
from pathlib import Path

from django.core.management.base import BaseCommand

import django_verify
from django_verify.emulator import options
from docs import host

PACKAGE = Path(django_verify.__file__).parent
PAGE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

Every command of `manage.py` that the package brings, and `django-verify`, which needs no Django project. Each
prints what it has done, and `--help` says the same as this page. Which of them have to run all the time, or every
day, is in [Running it](operations.md). This page is generated.
"""


def commands() -> dict[str, BaseCommand]:
    """Return the commands of the package and of its optional apps, by name."""
    host.set_up()
    found = {}
    for file in PACKAGE.glob("**/management/commands/[a-z]*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[file.stem] = importlib.import_module(".".join(parts)).Command()
    return dict(sorted(found.items()))


def page() -> str:
    """Return the page."""
    sections = [HEAD]
    for name, command in commands().items():
        parser = argparse.ArgumentParser(prog=f"manage.py {name}")
        command.add_arguments(parser)
        sections.append(_section(f"manage.py {name}", command.help, parser))
    parser = argparse.ArgumentParser(prog="django-verify emulator")
    options.declare(parser)
    text = "Run the whole API on this machine, for tests. [The emulator](emulator.md) has a page."
    sections.append(_section("django-verify emulator", text, parser))
    return "\n".join(sections)


def _section(name: str, text: str, parser: argparse.ArgumentParser) -> str:
    actions = [one for one in parser._actions if one.dest != "help"]  # noqa: SLF001
    lines = [f"## {name}\n", text]
    if actions:
        lines += ["\n| argument | default | meaning |", "|---|---|---|", *map(_row, actions)]
    return "\n".join(lines) + "\n"


def _row(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or action.dest
    if action.option_strings and action.nargs != 0:
        name += f" {action.metavar or action.dest.upper()}"
    default = action.default
    if action.required or default in (None, "", argparse.SUPPRESS) or isinstance(default, bool):
        default = "required" if action.required else ""
    else:
        default = f"`{default}`"
    meaning = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return f"| `{name}` | {default} | {meaning.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
