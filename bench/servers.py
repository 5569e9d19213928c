"""A web application under waitress in one process, a signed-in browser, and the memory of the process."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
PATIENCE = 60
Fields = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass
class Answer:
    status: int
    body: bytes
    seconds: float
    timing: dict[str, float]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Server:
    """One application; requests go over one connection that is kept."""

    name: str
    port: int
    process: int
    cookie: str = ""
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)

    def get(self, url: str) -> Answer:
        return self._request("GET", url)

    def post(self, url: str, fields: Fields) -> Answer:
        return self._request("POST", url, urlencode(fields))

    def _request(self, method: str, url: str, body: str | None = None) -> Answer:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        started = time.perf_counter()
        self.connection.request(method, url, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        if set_cookie := response.headers.get("Set-Cookie"):
            self.cookie = set_cookie.partition(";")[0]
        timing = re.findall(r"(\w+);dur=([\d.]+)", response.headers.get("Server-Timing", ""))
        return Answer(response.status, content, seconds, {name: float(value) for name, value in timing})

    @contextmanager
    def memory(self) -> Iterator[list[float]]:
        """How many MB the process grew at most within the block; empty where the system does not tell."""
        grown: list[float] = []
        process = Path(f"/proc/{self.process}")
        with suppress(OSError):
            (process / "clear_refs").write_text("5")
        before = _megabytes(process, "VmRSS")
        yield grown
        grown.append(_megabytes(process, "VmHWM") - before)


def _megabytes(process: Path, what: str) -> float:
    found = re.search(rf"{what}:\s+(\d+) kB", (process / "status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


@contextmanager
def serving(name: str, more: Mapping[str, str]) -> Iterator[Server]:
    """waitress as the system starts it, but in one process; gone at the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "waitress", "--threads=4", "--channel-timeout=3600", f"--listen=127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "--call", f"bench.served:{name}"], cwd=ROOT, env={**os.environ, **more})
    try:
        _wait(port, process)
        yield Server(name, port, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("a server does not start")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
