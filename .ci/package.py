"""Builds the package as a release does, and looks at what came out.

    .venv/bin/python .ci/package.py [FOLDER]

The sdist and the wheel are built twice, from this folder and from the sdist, and must be the same
bytes. Their contents are listed against what is here. The wheel is installed into an empty
environment, where the core, and each extra alone, must run the system checks and import all that
does not need another extra. Nothing is downloaded: libraries come from the environment at hand, and
an extra of which one is missing there is left out. With FOLDER the two files are left there, which
is refused where files have changes, or are in no commit: they would be shipped.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hatchling.builders.sdist import SdistBuilder  # noqa: E402 - of this folder, or beside it
from hatchling.builders.wheel import WheelBuilder  # noqa: E402 - of this folder, or beside it

from docs import licences  # noqa: E402 - of this folder, or beside it

PACKAGE = "django_verify"
# Where no release says another; no ZIP file can be older than 1980.
EPOCH = "1577836800"
# What does not import without an extra. Nothing stands for what another app or tool loads: pytest,
# opentelemetry-instrument, and django-otp where it is installed.
NEEDS = {
    "django_verify.api.schema": "schema",
    "django_verify.factors.webauthn": "passkeys",
    "django_verify.integrations.allauth": "allauth",
    "django_verify.integrations.opentelemetry": "opentelemetry",
    "django_verify.integrations.opentelemetry_instrumentor": "",
    "django_verify.integrations.otp.admin": "",
    "django_verify.integrations.otp.challenges": "",
    "django_verify.integrations.otp.models": "",
    "django_verify.integrations.otp.subjects": "",
    "django_verify.mobile.endpoint_schema": "schema",
    "django_verify.mobile.schema": "schema",
    "django_verify.testing.plugin": "",
}
if django.VERSION < (6, 0):  # which brings the framework along
    NEEDS["django_verify.delivery.django_tasks"] = "tasks"
BROUGHT = {
    "django_verify/integrations/otp/migrations/0001_initial.py",
    "django_verify/locale/en/LC_MESSAGES/messages.mo",
    "django_verify/migrations/0001_initial.py",
    "django_verify/py.typed",
    "django_verify/users/migrations/0001_initial.py",
}
# Names of files that no release has.
STRANGE = re.compile(
    r"(^|/)(__pycache__|node_modules|\.venvs?|\.git|\.env|[^/]*\.(pyc|sqlite3.*|egg-info|orig|rej)"
    r"|\.coverage.*|\.(mypy|ruff|pytest)_cache)(/|$)"
)
# Runs in the empty environment: the core, and then each extra in a process that has it in addition.
TRY = """
import importlib, io, json, os, pkgutil, sys, traceback
core, extras = json.loads(sys.stdin.read())
sys.path += core
import django
from django.conf import settings
from django.core.management import call_command
settings.configure(
    SECRET_KEY="of a site that is only imported, and of more than fifty characters",
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.sessions", "django.contrib.messages", "django_verify",
        "django_verify.users"],
    ROOT_URLCONF="django_verify.api.urls", USE_TZ=True,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages"]}}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
import django_verify

def fails(names):
    failed = {}
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed[name] = str(error)
    call_command("check", fail_level="WARNING", stdout=io.StringIO())
    return failed

every = [m.name for m in pkgutil.walk_packages(django_verify.__path__, "django_verify.")]
every = [n for n in every if ".migrations" not in n and not n.endswith(".__main__")]
print(json.dumps([django_verify.__file__, len(every), fails(every)]), flush=True)
for extra, paths, names in extras:
    if os.fork():
        if os.wait()[1]:
            sys.exit(f"The extra {extra} does not run.")
        continue
    try:
        sys.path += paths
        importlib.invalidate_caches()
        print(json.dumps([extra, fails(names)]), flush=True)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""


def build(root: Path, folder: Path) -> list[Path]:
    """Build the sdist and the wheel of a folder; return them in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    builders = (SdistBuilder, WheelBuilder)
    return [
        Path(next(builder(str(root)).build(directory=str(folder), versions=["standard"])))
        for builder in builders
    ]


def changes(root: Path) -> set[str]:
    """Return what git says of files that are in no commit as they are; nothing outside a clone."""
    if not (root / ".git").exists():
        return set()
    done = subprocess.run(
        ["git", "status", "--porcelain"],  # noqa: S607 - whichever git is there
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines())


def digests(files: list[Path]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def contents(sdist: Path, wheel: Path) -> None:
    """Compare what the two hold with what is in the folder. Raises SystemExit."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    with zipfile.ZipFile(wheel) as archive:
        wheel_names = set(archive.namelist())
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = {name for name in wheel_names if name.partition("/")[0].endswith(".dist-info")}
    assert_none("not in the wheel", here - wheel_names)
    assert_none("in the wheel alone", wheel_names - here - info)
    assert_none("missing here", BROUGHT - here)
    assert_none("not in the sdist", here - names)
    assert_none("strange", {name for name in names | wheel_names if STRANGE.search(name)})
    texts = {name.partition("/")[2] for name in info}
    expected = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert_none("odd in the wheel's metadata", texts ^ expected)
    print(f"{len(names)} files in the sdist, {len(wheel_names)} in the wheel")


def assert_none(what: str, names: set[str]) -> None:
    if names:
        raise SystemExit(f"{what}: {', '.join(sorted(names)[:20])}")


def libraries(folder: Path) -> dict[str, Path]:
    """Give each installed library a folder of links to its files, by its name."""
    folders = {}
    for installed in metadata.distributions():
        name = licences.canonical(installed.metadata["Name"])
        folders[name] = folder / name
        for file in installed.files or ():
            if ".." in file.parts or file.suffix == ".pth" or "__pycache__" in file.parts:
                continue
            link(Path(installed.locate_file("")), file.parts, folder / name)
    return folders


def link(site: Path, parts: tuple[str, ...], folder: Path) -> None:
    """Link a file, or the whole package that it is in; several libraries share a namespace."""
    for depth in range(1, len(parts) + 1):
        source, target = site.joinpath(*parts[:depth]), folder.joinpath(*parts[:depth])
        if depth == len(parts) or (source / "__init__.py").exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists() and not target.is_symlink():
                target.symlink_to(source)
            return


def attempts(python: Path, folders: dict[str, Path]) -> None:
    """Run the core, and each extra alone, in the empty environment. Raises SystemExit."""
    core, asked = licences.closure("phonenumberslite"), []
    for extra in licences.EXTRAS:
        found = licences.closure("phonenumberslite", extra)
        if missing := [name for name, library in found.items() if not library.version]:
            print(f"{extra} is left out: {', '.join(missing)} is not installed")
            continue
        names = [name for name, needed in NEEDS.items() if needed == extra]
        asked.append([extra, [str(folders[name]) for name in found if name not in core], names])
    done = subprocess.run(
        [python, "-I", "-c", TRY], input=json.dumps([[str(folders[n]) for n in core], asked]),
        capture_output=True, text=True, cwd=python.parent, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr[-3000:]}")
    (where, count, absent), *others = map(json.loads, done.stdout.splitlines())
    assert_none("not the wheel's", {where} if "site-packages" not in where else set())
    assert_none("does not import, or does by now", set(absent) ^ set(NEEDS))
    for extra, failed in others:
        assert_none(f"does not import with {extra}", {f"{n}: {why}" for n, why in failed.items()})
    print(f"The core imports {count - len(absent)} of {count} modules; alone with it run:")
    print(", ".join(extra for extra, _ in others))


def main() -> None:
    os.environ.setdefault("SOURCE_DATE_EPOCH", EPOCH)
    if len(sys.argv) > 1:
        assert_none("not committed", changes(ROOT))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        first = build(ROOT, work / "first")
        with tarfile.open(first[0]) as archive:
            archive.extractall(work / "unpacked", filter="data")
        (unpacked,) = (work / "unpacked").iterdir()
        second = build(unpacked, work / "second")
        made, again = digests(first), digests(second)
        assert_none("other bytes", {name for name, _ in made.items() ^ again.items()})
        for file, digest in made.items():
            print(f"{digest}  {file}")
        contents(*first)
        venv.create(work / "empty", with_pip=False, symlinks=True)
        python = work / "empty/bin/python"
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
             "--no-index", "--no-compile", "--disable-pip-version-check", first[1]],
            check=True,
        )  # fmt: skip
        attempts(python, libraries(work / "libraries"))
        if len(sys.argv) > 1:
            Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
            for file in first:
                shutil.copy(file, sys.argv[1])
    print(f"{project['name']} is as it should be")


if __name__ == "__main__":
    main()
