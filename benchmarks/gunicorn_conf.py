"""Settings of gunicorn that its command line does not have in every version."""

import os
from pathlib import Path
from typing import Any

# Several servers run at once and would share the default path.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Report that a worker has loaded the site: the first one would get every connection."""
    Path(os.environ["BENCH_READY"], str(worker.pid)).touch()
