"""Verifications through PgBouncer's transaction pooling, where a session is nobody's own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from django_verify import verifications
from django_verify.crypto import codes
from django_verify.models import Verification
from tests.conftest import wrong

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
# Fewer sessions than callers, so that the statements of one caller meet several of them.
SESSIONS, CALLERS, ROUNDS = 2, 6, 5

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own"),
]


@pytest.fixture
def pooled(transactional_db):
    """Connect through a PgBouncer of the test's own."""
    direct = {name: connection.settings_dict[name] for name in ("HOST", "PORT", "USER")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connection.close()
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder), port)
        try:
            connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": port}
            connection.settings_dict["USER"] = direct["USER"] or "postgres"
            wait_for(port)
            yield
        finally:
            connection.close()
            connection.settings_dict |= direct
            process.terminate()
            process.wait(10)


def start(folder, port):
    server = connection.settings_dict
    where = f"host={server['HOST'] or '127.0.0.1'} port={server['PORT'] or 5432}"
    (folder / "users.txt").write_text(f'"{server["USER"] or "postgres"}" "{server["PASSWORD"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {where}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder / 'users.txt'}\n"
        f"pool_mode = transaction\ndefault_pool_size = {SESSIONS}\n"
    )
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    command = [PGBOUNCER, "-q", str(folder / "pgbouncer.ini")]
    as_other = {"user": "nobody"} if os.getuid() == 0 else {}  # it refuses to run as root
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, **quiet, **as_other)


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PgBouncer did not start")


def sessions():
    """How many server sessions there are in this database, those of PgBouncer included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def test_verifications_run_through_transaction_pooling(pooled, service):
    def verify(caller):
        try:
            return [cycle(service, f"+1212555{caller:02}{number:02}") for number in range(ROUNDS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [answer for answers in pool.map(verify, range(CALLERS)) for answer in answers]
    assert answers == [(False, True)] * CALLERS * ROUNDS
    assert sessions() <= SESSIONS
    assert set(Verification.objects.values_list("status", "checks")) == {("approved", 2)}


def cycle(service, to):
    row = verifications.start(service, to)
    code = codes.reveal(row)
    return tuple(
        verifications.check(service, typed, verification_sid=row.sid).valid
        for typed in (wrong(code), code)
    )
