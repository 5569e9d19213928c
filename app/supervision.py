"""Keeping the parts of the system running: children that are started again, and that end with who started them.

The supervisor (`run.py`) and its children are joined by a pipe. A child writes a heartbeat into it every second: one
that is silent for too long is killed and started again; one whose supervisor is gone cannot write and stops by itself.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

BEAT_SECONDS = 1
# Only a process that holds the interpreter's lock for so long is silent: it would answer nobody.
SILENT_SECONDS = 60
# How long a child without a supervisor may take to stop.
ORPHAN_SECONDS = 5
# The wait before a child is started again doubles up to the longest; a child that has run long enough begins anew.
FIRST_WAIT, LONGEST_WAIT, RAN_WELL_SECONDS = 0.5, 5.0, 60.0
STOP_SECONDS = 15
HEARTBEAT = "HEARTBEAT_FD"
BACKLOG = 1024
WINDOWS = sys.platform == "win32"

log = logging.getLogger(__name__)


class Child:
    """A program that the supervisor starts, and starts again whenever it has ended or gone silent."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.command, self.env, self.folder = command, env, folder
        self.process: subprocess.Popen[Any] | None = None
        self.wait = FIRST_WAIT
        self.start_at = self.started_at = self.heard_at = 0.0
        self.pipe: int | None = None

    def start(self) -> None:
        writing = None if WINDOWS else self._open_pipe()  # there a child does not inherit one by its number
        try:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**self.env, **({HEARTBEAT: str(writing)} if writing is not None else {})},
                stdin=subprocess.DEVNULL,
                # Ctrl-C reaches only the supervisor, which stops the parts in its order.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                # A child keeps what was made inheritable: the listening socket, the lock of the database's users.
                close_fds=WINDOWS,
            )
        finally:
            if writing is not None:
                os.close(writing)
        self.started_at = self.heard_at = time.monotonic()

    def _open_pipe(self) -> int:
        self.pipe, writing = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_inheritable(writing, True)
        return writing

    def wait_for_end(self) -> int:
        """Return the exit status of a child that ends by itself."""
        return self.process.wait() if self.process else 0

    def look_after(self) -> None:
        """Start it again if it has ended; end it if it is silent. Called about once a second."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return
        if self._beats():
            self.heard_at = now
        if self.process.poll() is not None:
            self._ended(now)
        elif self.heard_at > self.started_at and now - self.heard_at > SILENT_SECONDS:
            log.warning("%s 已无响应，重新启动。 %s does not respond and is restarted.", self.name, self.name)
            self.kill()

    def _beats(self) -> bool:
        with suppress(BlockingIOError):
            return bool(self.pipe is not None and os.read(self.pipe, 4096))
        return False

    def _ended(self, now: float) -> None:
        code = self.process.returncode if self.process else None
        if now - self.started_at > RAN_WELL_SECONDS:
            self.wait = FIRST_WAIT
        log.warning(
            "%s 意外结束（%s），%.1f 秒后重新启动。 It ended by itself and is restarted.", self.name, code, self.wait
        )
        self._forget()
        self.start_at, self.wait = now + self.wait, min(self.wait * 2, LONGEST_WAIT)

    def terminate(self) -> None:
        if self.process:
            self.process.terminate()

    def kill(self) -> None:
        """Kill it with whatever it started."""
        if self.process and WINDOWS:
            self.process.kill()
        elif self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Let it finish what it is doing, but not for long."""
        if self.process:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=seconds)
            self.kill()
            self.process.wait()
            self._forget()

    def _forget(self) -> None:
        self.kill()  # what it left behind
        self.process = None
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; raises OSError if something else does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def report(stop: Callable[[], None]) -> None:
    """Send heartbeats to the supervisor, if there is one; call `stop` when it is gone, and end soon in any case."""
    if HEARTBEAT in os.environ:
        pipe = int(os.environ.pop(HEARTBEAT))
        os.set_inheritable(pipe, False)
        os.set_blocking(pipe, False)
        threading.Thread(target=_beat, args=(pipe, stop), name="heartbeat", daemon=True).start()


def _beat(pipe: int, stop: Callable[[], None]) -> None:
    while True:
        try:
            os.write(pipe, b".")
        except BlockingIOError:
            pass  # the supervisor is slow to read
        except OSError:
            break
        time.sleep(BEAT_SECONDS)
    print("主进程已消失，停止。 The supervisor is gone; stopping.", file=sys.stderr)  # noqa: T201 -- no log is sure
    stop()
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)
