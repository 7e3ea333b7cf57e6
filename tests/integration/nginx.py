"""An nginx of one's own, with the configuration that docs/embed.md shows: its own port, process and files, nothing of the system's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "embed.md").read_text()
USER, PASSWORD = "ann", "secret"

CONFIGURATION = """
{user}
pid {folder}/pid;
error_log {folder}/errors;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
{location}
    }}
}}
"""


def block_of_the_guide(language: str, holds: str) -> str:
    """The block of docs/embed.md in this language that holds the text."""
    return next(block for block in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL) if holds in block)


def guide_application(holds: str) -> dict[str, Any]:
    """What the block of docs/embed.md makes, run as it stands."""
    made: dict[str, Any] = {}
    exec(block_of_the_guide("python", holds), made)
    return made


@contextmanager
def nginx_before(server_port: int, folder: Path) -> Iterator[str]:
    """The guide's location before the server on that port; the address of nginx. It has ended, with its workers, when this is left."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed, so that no real proxy was asked: apt-get install nginx")
    location = block_of_the_guide("nginx", "location")
    for theirs, ours in (("127.0.0.1:8000", f"127.0.0.1:{server_port}"), ("/etc/nginx/monitor.htpasswd", f"{folder}/htpasswd")):
        assert location.count(theirs) == 1, f"the guide's configuration has no {theirs} any more"
        location = location.replace(theirs, ours)
    (folder / "htpasswd").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A worker of nginx that is started by root would not be let into the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(CONFIGURATION.format(user=user, folder=folder, port=port, location=location))
    command = [program, "-p", str(folder), "-e", str(folder / "errors"), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_it_answers(process, port, folder / "errors")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _until_it_answers(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < deadline, errors.read_text()
            time.sleep(0.02)
