"""The web server: waitress with limits on what a slow or hostile client may hold.

Sockets are read and written by one thread of each process, so a request costs a worker thread only once it has arrived
whole. Several processes accept from one listening socket. It is safe without a proxy: each address may hold so many
connections, each connection must move so many bytes, and a large body is read only after the permission was asked.
"""

# The published types of waitress leave out the seams at which it is extended.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIncompatibleVariableOverride=false

import logging
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error

from app import request_log, supervision
from app.domain.attempts import of_network
from app.fabkit import admission, protection

if sys.platform != "win32":
    import resource

HEALTH = "/healthz"
# A body up to this size is read before anything is asked; most requests of people are smaller.
SMALL_BODY = 64 * 1024
# A connection that has something to send or to receive must move 1 KB/s, seen over this many seconds.
WINDOW = 30
SLOWEST = 1024
# How often (s) connections that may be too slow are looked for.
LOOK_EVERY = 0.5
# How long requests that are being answered may take when the server stops.
GRACE = 10

log = logging.getLogger(__name__)


class LengthRequired(Error):
    code, reason = 411, "Length Required"


class ContentTooLarge(Error):
    code, reason = 413, "Content Too Large"


class Unavailable(Error):
    code, reason = 503, "Service Unavailable"


class Request(HTTPRequestParser):
    """A request while it arrives."""

    admitted = SMALL_BODY

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.headers_finished and self.chunked and not self.completed:
            self.error = LengthRequired("请求须注明长度。 Say in Content-Length how long the body is.")
            self.completed = True
        return consumed

    @property
    def waits_for_admission(self) -> bool:
        return self.headers_finished and not self.completed and self.content_length > self.admitted


class Refusal(ErrorTask):
    """An answer of the server itself, to a request that reaches no page."""

    def execute(self) -> None:
        self.response_headers.extend(protection(self.channel.server.application.config).items())
        super().execute()


@dataclass
class Window:
    """Since when a connection has had bytes to move, and how many it had moved by then."""

    began: float
    moved: int


class Channel(HTTPChannel):
    """A connection that counts for its address, and whose speed is watched."""

    parser_class = Request
    error_task_class = Refusal

    def __init__(self, server: "Server", sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        self.moved = 0
        self.window: Window | None = None
        self.waits_for_admission = False
        self.network = of_network(addr[0])
        super().__init__(server, sock, addr, adj, map=map)
        if server.connections[self.network] > server.most_per_address > 0:
            self.will_close = True

    def add_channel(self, map: Any = None) -> None:
        super().add_channel(map)
        self.server.connections[self.network] += 1

    def del_channel(self, map: Any = None) -> None:
        is_counted = self._fileno is not None
        super().del_channel(map)
        if is_counted:
            self.server.connections -= Counter({self.network: 1})

    def readable(self) -> bool:
        return not self.waits_for_admission and super().readable()

    def received(self, data: bytes) -> bool:
        self.moved += len(data)
        taken: bool = super().received(data)
        if self.request is not None and self.request.waits_for_admission and not self.waits_for_admission:
            self.waits_for_admission = True
            self.server.task_dispatcher.add_task(Admission(self, self.request))
        return taken

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close=do_close)
        self.moved += sent
        return sent

    def is_too_slow(self, now: float) -> bool:
        """Whether it had bytes to move for a whole window and moved too few; asked from time to time."""
        is_receiving = self.request is not None and not self.waits_for_admission
        if not is_receiving and not self.total_outbufs_len:
            self.window = None
            return False
        if self.window is None or now - self.window.began >= WINDOW:
            before, self.window = self.window, Window(now, self.moved)
            return before is not None and self.moved - before.moved < SLOWEST * WINDOW
        return False


@dataclass
class Admission:
    """The question whether a large body may be sent at all, asked in a worker thread before it is read."""

    channel: Channel
    request: Request

    def service(self) -> None:
        refusal = self._refusal()
        channel, request = self.channel, self.request
        with channel.requests_lock:
            channel.waits_for_admission = False
            request.admitted = request.content_length
            if refusal is not None and channel.connected:
                request.error, request.completed = refusal, True
                channel.request = None
                channel.requests.append(request)
                channel.server.add_task(channel)
        channel.server.pull_trigger()

    def cancel(self) -> None:
        self.channel.cancel()

    def _refusal(self) -> Error | None:
        environ = WSGITask(self.channel, self.request).get_environment()
        try:
            most = admission.most_bytes(self.channel.server.application, environ)
        except Exception:
            log.warning("the permission for a large request could not be asked", exc_info=True)
            return Unavailable("系统暂时不可用，请稍后再试。 Please try again later.")
        if self.request.content_length <= most:
            return None
        return ContentTooLarge("无权上传，或内容过大。 You may not send this, or it is too much for one request.")


class Server(TcpWSGIServer):
    """One process of the web server."""

    channel_class = Channel
    active_channels: dict[int, Channel]
    _map: dict[int, Any]

    def __init__(self, app: Flask, listening: socket.socket) -> None:
        config = app.config
        self.connections: Counter[str] = Counter()
        # Behind a proxy all connections come from its address.
        self.most_per_address = 0 if config["PROXIES"] else config["CONNECTIONS_PER_ADDRESS"]
        self.stop_by: float | None = None
        self.look_at = 0.0
        self.health = _threads(1)
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(
            app,
            _sock=listening,
            adj=_adjustments(config, listening),
            dispatcher=_threads(config["WEB_THREADS"]),
            sockinfo=info,
            bind_socket=False,
        )

    def readable(self) -> bool:
        if self.accepting and len(self._map) >= self.adj.connection_limit:
            self._make_room()
        taken: bool = super().readable()
        return taken

    def _make_room(self) -> None:
        """Close a connection on which nothing is being answered: of who holds the most, the longest idle one."""
        waiting = [each for each in self.active_channels.values() if not each.requests and not each.total_outbufs_len]
        if waiting:
            held = self.connections
            max(
                waiting, key=lambda each: (held[each.network], each.request is None, -each.last_activity)
            ).handle_close()

    def add_task(self, channel: Any) -> None:
        """Answer the health check even if every worker thread is busy."""
        is_health = channel.requests[0].path == HEALTH if channel.requests[0].error is None else False
        (self.health if is_health else self.task_dispatcher).add_task(channel)

    def run(self) -> None:
        """Serve until told to stop; what is being answered then is finished."""
        while self.stop_by is None or (self._is_answering() and time.monotonic() < self.stop_by):
            wasyncore.loop(timeout=1, map=self._map, use_poll=True, count=1)
            now = time.monotonic()
            if now >= self.look_at:
                self.look_at = now + LOOK_EVERY
                self._cut_off_slow_ones(now)
        for dispatcher in (self.task_dispatcher, self.health):
            dispatcher.shutdown(timeout=2)

    def _cut_off_slow_ones(self, now: float) -> None:
        # Waitress would close them when they can be written to: who reads nothing never can.
        for channel in list(self.active_channels.values()):
            if channel.is_too_slow(now):
                channel.handle_close()

    def stop(self) -> None:
        self.accepting = False
        self.stop_by = time.monotonic() + GRACE
        self.pull_trigger()

    def _is_answering(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self.active_channels.values())


def serve(app: Flask, listening: socket.socket) -> None:
    """Serve the application on a listening socket, in this process, until SIGTERM or the supervisor's end."""
    request_log.to_stderr()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    _allow_many_files(app.config["CONNECTIONS"] + 100)
    server = Server(app, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    supervision.report(server.stop)
    server.run()


def _threads(number: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(number)
    return dispatcher


def _adjustments(config: Any, listening: socket.socket) -> Adjustments:
    return Adjustments(
        sockets=[listening],
        threads=config["WEB_THREADS"],
        connection_limit=config["CONNECTIONS"],
        channel_timeout=config["KEEP_ALIVE"],
        cleanup_interval=5,
        asyncore_use_poll=True,
        max_request_header_size=32 * 1024,
        # An answer is buffered, in a file if it is long, so that no worker thread waits for a slow reader.
        outbuf_high_watermark=2**31,
        clear_untrusted_proxy_headers=False,  # ProxyFix reads them, and only where PROXIES says so
        backlog=supervision.BACKLOG,
        ident="",
    )


def _allow_many_files(wanted: int) -> None:
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
