"""Published packages that are measured beside ours, in an environment of their own.

Nothing of theirs is here: they are installed for a run that asks for them, on top of the libraries
of the environment that runs the benchmark, so that Django, REST framework, gunicorn and the
database drivers are the same for every side. Their licences are theirs.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venvs" / "peers"
PACKAGES = {"django-phone-verify": "3.3.0", "drfpasswordless": "1.5.9"}
# What a peer must not bring in another version.
_SAME = ("django", "djangorestframework", "gunicorn")


def install() -> Path:
    """Make the environment, or bring it up to date, and return its interpreter."""
    python, stamp = HOME / "bin" / "python", HOME / "installed"
    wanted = "\n".join(f"{name}=={release}" for name, release in _pins().items())
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    venv.create(HOME, clear=True, with_pip=True)
    # What the environment of the benchmark has is there already, and is not installed again.
    (purelib,) = HOME.glob("lib/python*/site-packages")
    (purelib / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    constraints = HOME / "constraints.txt"
    constraints.write_text(wanted)
    install = [python, "-m", "pip", "install", "-q", "-c", constraints, *PACKAGES]
    subprocess.run(list(map(str, install)), check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return python


def _pins() -> dict[str, str]:
    return PACKAGES | {name: version(name) for name in _SAME}
