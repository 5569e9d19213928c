"""The program that opens files from outside: `python -I child.py REQUEST`.

It sets its limits before it reads any of them. The request is JSON with the task, the limits, the options and the sizes
of the files, which stand one after the other in standard input. Standard output gets what the task makes of them;
standard error a line of JSON for each file that is begun, and why the work ended. All three are files, not pipes. It
imports neither the application nor its settings: there are no secrets in this process, and it starts quickly.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

APP = Path(__file__).resolve().parent.parent
# What opens the files, by task.
TASKS = {
    "sheet": ("app.spreadsheet.grids", "open_file"),
    "photo": ("app.sandbox.pictures", "photo"),
    "seal": ("app.sandbox.pictures", "seal"),
    "scan": ("app.sandbox.documents", "scan"),
}
REFUSED, OUT_OF_MEMORY, TOO_MUCH_OUTPUT, DEFECT = 10, 11, 12, 13


def main(request: dict[str, Any]) -> int:
    if hasattr(os, "nice"):
        os.nice(10)  # people who wait for a page come first
    set_limits(request["seconds"], request["memory"], request["output"])
    package("app", APP)
    package("app.spreadsheet", APP / "spreadsheet")
    try:
        return answer(request)
    except MemoryError:
        return OUT_OF_MEMORY
    except OSError:
        return TOO_MUCH_OUTPUT
    except Exception as error:
        # The place without the message: that may quote the file.
        place = traceback.extract_tb(error.__traceback__)[-1]
        note(f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}")
        return DEFECT


def set_limits(seconds: int, memory: int, output: int) -> None:
    """Limit this process. Windows has no such limits; there the parent's time limit is the only one."""
    try:
        import resource
    except ImportError:
        return
    limits = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),  # the first ends it with a signal of its own, the second kills
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_FSIZE: (output, output),
        resource.RLIMIT_NOFILE: (32, 32),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in limits.items():
        most = resource.getrlimit(kind)[1]
        if most == resource.RLIM_INFINITY or hard <= most:
            resource.setrlimit(kind, (soft, hard))


def package(name: str, folder: Path) -> None:
    """Let modules be imported from a package without running its __init__, which imports the whole application."""
    made = ModuleType(name)
    made.__path__ = [str(folder)]
    sys.modules[name] = made


def answer(request: dict[str, Any]) -> int:
    """Open the files and write what comes of them. The first file that is refused ends the work."""
    module, name = TASKS[request["task"]]
    open_file = getattr(importlib.import_module(module), name)
    from app.sandbox.messages import Unreadable

    for number, size in enumerate(request["sizes"]):
        note(number)
        try:
            open_file(sys.stdin.buffer.read(size), request["options"], sys.stdout.buffer)
        except Unreadable as refused:
            note([type(refused).__name__, *refused.args[0]])
            return REFUSED
        sys.stdout.buffer.flush()
    return 0


def note(what: object) -> None:
    """Write a line of JSON for the parent."""
    sys.stderr.write(json.dumps(what) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    status = main(json.loads(sys.argv[1]))
    os._exit(status)  # nothing is left to be done, and freeing all that memory would take a while
