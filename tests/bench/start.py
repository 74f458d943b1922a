"""What the extension adds to the start of a Jupyter server, in CPU seconds and MB: with it against without it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil


def start(enabled: bool) -> tuple[float, float]:
    """CPU seconds and resident MB of a server that has just answered its first request."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url_file = home / "runtime"
        environ = os.environ | {
            "AETHER_HOME": str(home / "aether"),
            "JUPYTER_RUNTIME_DIR": str(url_file),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_PREFER_ENV_PATH": "0",
        }
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
        command += [f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=bench", "--ServerApp.port_retries=0"]
        command.append(f"--ServerApp.jpserver_extensions={{'aether_jupyter': {enabled}, 'jupyterlab': False}}")
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            where = "aether/health" if enabled else "api/status"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}/{where}", headers={"Authorization": "token bench"}
                )
                try:
                    urllib.request.urlopen(request, timeout=20).read()
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.05)
            else:
                raise RuntimeError(f"the server did not answer at {where}")
            seen = psutil.Process(process.pid)
            times = seen.cpu_times()
            return times.user + times.system, seen.memory_info().rss / 2**20
        finally:
            process.terminate()
            process.wait()
