"""Prints the lowest version that pyproject.toml allows of each library the app uses, for pip.

The libraries of the tests are left out: no site has them.
"""

import re
import tomllib
from pathlib import Path

TOOLS = {"all", "dev", "lint", "example", "oracles"}
LOWEST = re.compile(r"([A-Za-z0-9-]+)(\[[^\]]*\])?>=([0-9.]+)")


def lowest(project: dict) -> dict[str, str]:
    """Return the lower bound of each library by its name."""
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(line for name, lines in extras.items() if name not in TOOLS for line in lines),
    ]
    found = [LOWEST.match(line) for line in asked if not line.startswith("django-verify")]
    bounds: dict[str, str] = {}
    for match in found:
        if match is None:
            raise SystemExit(f"A library has no lower bound: {asked}")
        if bounds.setdefault(match[1], match[3]) != match[3]:
            raise SystemExit(f"{match[1]} has two lower bounds")
    return bounds


if __name__ == "__main__":
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    for name, version in lowest(tomllib.loads(pyproject.read_text("utf-8"))["project"]).items():
        print(f"{name}=={version}")
