"""A small Node project tests itself against the emulator, through the official SDK."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PATIENCE

PROJECT = Path(__file__).parent / "node"

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js"),
    pytest.mark.skipif(
        not (PROJECT / "node_modules/twilio").is_dir(),
        reason="run npm install in tests/emulator/node: its package is not there",
    ),
]


def test_the_official_sdk_for_node(emulators):
    emulator = emulators()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TWILIO_")
    }
    environment |= {
        "VERIFY_BASE_URL": emulator.base_url,
        "TWILIO_ACCOUNT_SID": emulator.account_sid,
        "TWILIO_AUTH_TOKEN": emulator.auth_token,
        "TWILIO_VERIFY_SERVICE_SID": emulator.service_sid,
    }
    done = subprocess.run(
        ["node", "--test"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 3" in done.stdout
