"""Prints the components of a release as CycloneDX 1.6 in JSON, from what is installed.

    python .ci/sbom.py [EXTRA…]     the core, and these extras

The same environment gives the same bytes; SOURCE_DATE_EPOCH is its time stamp.
"""

import datetime as dt
import json
import os
import re
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from docs import licences

# Names of SPDX, and expressions of them.
IDENTIFIER = re.compile(r"[A-Za-z0-9.+-]+-[A-Za-z0-9.+-]+\Z|MIT\Z|ISC\Z")
SPACE = uuid.UUID("b1f60c34-6d0b-4f0e-8ad5-5a2d7f0c9a11")


def bill(*extras: str) -> dict:
    """Return the document. Raises SystemExit where a library of it is not installed."""
    found = licences.closure(*extras)
    missing = sorted(library.name for library in found.values() if not library.version)
    if missing:
        raise SystemExit(f"Not installed: {', '.join(missing)}")
    version = re.search(
        r'__version__ = "(.+)"', (licences.ROOT / "django_verify/__init__.py").read_text("utf-8")
    )[1]
    own = component("django-verify", version, "BSD-3-Clause", "application")
    components = [component(one.name, one.version, one.licence) for one in found.values()]
    refs = {one["name"]: one["bom-ref"] for one in components}
    direct = directly(extras)
    needs = [
        {"ref": refs[one.name], "dependsOn": sorted(refs[name] for name in one.needs)}
        for one in found.values()
    ]
    moment = dt.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), dt.UTC)
    content = json.dumps([own, components, needs], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, content)}",
        "version": 1,
        "metadata": {"timestamp": moment.isoformat(), "component": own},
        "components": components,
        "dependencies": [
            {"ref": own["bom-ref"], "dependsOn": sorted(refs[name] for name in direct)},
            *needs,
        ],
    }


def directly(extras: tuple[str, ...]) -> set[str]:
    """Return the libraries that the core or one of these extras names itself."""
    lines = list(licences.PROJECT["dependencies"])
    for extra in extras:
        lines += [str(requirement) for requirement in licences.of_extra(extra)]
    return {licences.canonical(re.split(r"[<>=~!\[ ;]", line)[0]) for line in lines}


def component(name: str, version: str, licence: str, kind: str = "library") -> dict:
    """Return a component, with its licence as SPDX names it or as its metadata do."""
    url = f"pkg:pypi/{name}@{version}"
    found = {"type": kind, "bom-ref": url, "name": name, "version": version, "purl": url}
    if " OR " in licence or " AND " in licence or " WITH " in licence:
        found["licenses"] = [{"expression": licence}]
    elif IDENTIFIER.match(licence):
        found["licenses"] = [{"license": {"id": licence}}]
    elif licence:
        found["licenses"] = [{"license": {"name": licence}}]
    return found


if __name__ == "__main__":
    print(json.dumps(bill(*sys.argv[1:]), indent=2))
