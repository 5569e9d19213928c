"""The web server under clients that are slow, many, silent or greedy: others do not notice."""

import http.client
import json
import socket
import statistics
import threading
import time
from contextlib import closing, contextmanager
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from app import create_app, server, supervision
from app.domain import attempts, sessions
from app.fabkit import protection
from app.models import db
from tests.factories import account, authority, task, using_unit
from tests.faults.system import until

STRANGER = "127.0.0.2"  # another address on this machine


@contextmanager
def running(app, **settings):
    """The application on a port of its own, served by a thread of this process."""
    before = {name: app.config[name] for name in settings}
    app.config.update(settings)
    one = server.Server(app, supervision.listen("127.0.0.1", 0))
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield one
    finally:
        one.stop()
        thread.join(timeout=30)
        for channel in list(one.active_channels.values()):
            channel.handle_close()
        one.close()
        app.config.update(before)
        assert not thread.is_alive()


def connection(one, source="127.0.0.1"):
    return http.client.HTTPConnection("127.0.0.1", one.effective_port, timeout=20, source_address=(source, 0))


def opened(one, sent=b"", source=STRANGER):
    """A bare connection that has sent this and reads nothing."""
    raw = socket.create_connection(("127.0.0.1", one.effective_port), timeout=20, source_address=(source, 0))
    raw.sendall(sent)
    return raw


def get(one, path="/healthz", source="127.0.0.1", **headers):
    with closing(connection(one, source)) as made:
        made.request("GET", path, headers=headers)
        answer = made.getresponse()
        return answer.status, answer.read()


def is_closed(raw):
    raw.settimeout(0.05)
    try:
        return raw.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


HALF_HEADERS = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "
HALF_BODY = (
    b"POST /login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\nabc"
)
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def test_many_slow_clients_do_not_double_the_time_of_others(office):
    """64 half requests, 64 slow readers and 64 idle connections, beside a server that has none of them."""
    with running(office) as attacked, running(office) as quiet:
        crowd = [opened(attacked, HALF_HEADERS if number % 2 else HALF_BODY) for number in range(64)]
        crowd += [opened(attacked, WHOLE * 40) for _ in range(64)]
        crowd += [opened(attacked) for _ in range(64)]
        times = {attacked: [], quiet: []}
        for _ in range(150):
            for one, spent in times.items():
                began = time.perf_counter()
                assert get(one)[0] == 200
                spent.append(time.perf_counter() - began)
        for raw in crowd:
            raw.close()
    assert statistics.median(times[attacked]) < 2 * statistics.median(times[quiet])


@pytest.mark.parametrize("sent", [HALF_HEADERS, HALF_BODY, HALF_BODY.replace(b"1000", b"60000")])
def test_who_sends_too_slowly_is_cut_off(office, monkeypatch, sent):
    monkeypatch.setattr(server, "WINDOW", 1)
    with running(office) as one, closing(opened(one, sent)) as slow, closing(opened(one)) as idle:
        began = time.monotonic()
        while not is_closed(slow):
            slow.sendall(b"x")  # a byte now and then does not help
            assert time.monotonic() - began < 20
            time.sleep(0.1)
        assert not is_closed(idle)


def test_who_reads_nothing_is_cut_off_and_keeps_no_thread(office, monkeypatch):
    monkeypatch.setattr(server, "WINDOW", 1)

    def large():
        return b"x" * 50_000_000

    with running(beside(office, large), WEB_THREADS=1) as one:
        asked = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
        with closing(opened(one, asked)) as slow:
            until(lambda: one.active_channels and any(c.total_outbufs_len for c in one.active_channels.values()))
            assert get(one, "/session/token")[0] == 200  # its only thread is free
            until(lambda: not any(c.total_outbufs_len for c in one.active_channels.values()))
            assert slow.fileno() > 0


def beside(office, view):
    """The application with one more address."""

    def serve(environ, start_response):
        if environ["PATH_INFO"] == f"/{view.__name__}":
            body = view()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        return office(environ, start_response)

    serve.config = office.config
    return serve


def test_one_address_holds_so_many_connections_and_others_come_in(office):
    with running(office, CONNECTIONS_PER_ADDRESS=10) as one:
        crowd = [opened(one) for _ in range(10)]
        until(lambda: len(one.active_channels) == 10)
        late = opened(one)
        until(lambda: is_closed(late))

        assert not any(is_closed(each) for each in crowd)
        assert get(one)[0] == 200
        crowd.pop().close()
        until(lambda: len(one.active_channels) == 9)
        assert get(one, source=STRANGER)[0] == 200
        for each in (*crowd, late):
            each.close()


def test_behind_a_proxy_connections_are_not_counted_by_its_address(office):
    with running(office, CONNECTIONS_PER_ADDRESS=3, PROXIES=1) as one:
        crowd = [opened(one) for _ in range(8)]
        assert get(one, source=STRANGER)[0] == 200
        assert not any(is_closed(each) for each in crowd)
        for each in crowd:
            each.close()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address, network):
    assert attempts.of_network(address) == network


def test_when_all_places_are_taken_those_who_hold_most_and_do_nothing_make_room(office):
    """From five addresses, each with as many connections as it may have, half of them with half a request."""
    with running(office, CONNECTIONS=60, CONNECTIONS_PER_ADDRESS=12) as one, closing(connection(one)) as patient:
        patient.request("GET", "/healthz")
        patient.getresponse().read()
        crowd = [
            opened(one, HALF_HEADERS if number % 2 else b"", source=f"127.0.0.{50 + address}")
            for address in range(5)
            for number in range(12)
        ]
        answers = [get(one, source="127.0.0.60")[0] for _ in range(100)]
        patient.request("GET", "/healthz")  # one connection of an address that has no other is left alone
        assert (set(answers), patient.getresponse().status) == ({200}, 200)
        assert sum(map(is_closed, crowd)) < 20
        for each in crowd:
            each.close()


def test_one_connection_serves_many_requests_also_after_a_pause(office):
    with running(office) as one, closing(connection(one)) as made:
        for pause in (0, 0, 2.2):
            time.sleep(pause)
            made.request("GET", "/healthz")
            answer = made.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (200, "degraded")  # no worker here


def test_a_request_that_is_being_answered_when_it_stops_is_finished(office):
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(20)
        return b"done"

    answers = []
    with running(beside(office, slow)) as one:
        client = threading.Thread(target=lambda: answers.append(get(one, "/slow")))
        client.start()
        assert begun.wait(20)
        one.stop()
        time.sleep(0.3)
        go_on.set()
        client.join()
    assert answers == [(200, b"done")]


# --- Permission, then size, then the body --------------------------------------------------------


def signed_in(office, role, organization):
    """The headers of a browser in which somebody is signed in."""
    person = account(role, organization)
    token = sessions.start(person, confirmed=True, address="127.0.0.1", device="pytest")
    db.session.commit()
    serializer = office.session_interface.get_signing_serializer(office)
    return {"Cookie": f"session={serializer.dumps({'_user_id': token, '_fresh': True, 'locale': 'zh'})}"}


def announced(one, path, length, headers, form="multipart/form-data; boundary=x"):
    """The status that a request gets by its headers alone: none of its body is sent; 100 if it may be."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", f"Content-Type: {form}"]
    lines += ["Expect: 100-continue", *(f"{name}: {value}" for name, value in headers.items())]
    with closing(opened(one, "\r\n".join([*lines, "", ""]).encode())) as raw:
        received = b""
        while b"\r\n\r\n" not in received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""):
            raw.settimeout(1)
            try:
                more = raw.recv(65536)
            except TimeoutError:
                break
            if not more:
                break
            received += more
    final = received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    return int(final.split()[1]) if final else 100


MB = 1024 * 1024


def test_a_large_body_is_read_only_from_who_may_send_it(office):
    unit = using_unit()
    clerk = signed_in(office, "UsingUnitClerk", unit)
    officer = signed_in(office, "AssignmentOfficer", authority("330106"))
    with running(office) as one:
        upload = "/ledger/act/add_photos"
        assert announced(one, upload, 140 * MB, {}) == 413
        assert announced(one, upload, 140 * MB, officer) == 413
        assert announced(one, upload, 140 * MB, clerk) == 100
        assert announced(one, upload, 200 * MB, clerk) == 413
        assert announced(one, "/login/", MB, {}) == 413
        assert announced(one, "/assignments/act/refuse", MB, officer) == 100
        assert announced(one, "/assignments/act/refuse", 3 * MB, officer) == 413


def test_a_body_of_unknown_length_is_refused(office):
    with running(office) as one, closing(connection(one)) as made:
        made.request("POST", "/login/", iter([b"a=1"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        assert made.getresponse().status == 411


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"411"),
        (b"Content-Length: 5\r\nContent-Length: 50", b"400"),
        (b"Content-Length: 5, 50", b"400"),
        (b"Content-Length: +5", b"400"),
        (b"Transfer-Encoding: xchunked", b"501"),
        (b"Content-Length: 5\r\nTransfer-Encoding: identity", b"501"),
        (b"Content-Length : 5", b"400"),
        (b"X: 1\nContent-Length: 50", b"400"),
    ],
)
def test_who_is_unclear_about_the_length_of_a_request_smuggles_none_behind_it(office, headers, status):
    request = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    with running(office) as one, closing(opened(one, request)) as raw:
        answer = b""
        while more := raw.recv(65536):
            answer += more
    assert (answer[9:12], answer.count(b"HTTP/1.")) == (status, 1)


def test_what_the_server_itself_refuses_carries_the_headers_of_every_answer(office):
    with running(office) as one, closing(opened(one, b"POST /login/ HTTP/1.1\r\nContent-Length: x\r\n\r\n")) as raw:
        head = raw.recv(65536).decode().partition("\r\n\r\n")[0]
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert protection(office.config).items() <= headers.items()


@pytest.mark.parametrize("path", ["/login/", "/register/", "/language", "/no-such-page"])
@pytest.mark.parametrize("disposition", ["form-data; filename=x", "form-data", "attachment"])
def test_a_part_without_a_name_is_a_bad_request_and_no_defect(stranger, path, disposition):
    body = f"--a\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--a--"
    answer = stranger.client.post(path, data=body, content_type="multipart/form-data; boundary=a")
    assert 400 <= answer.status_code < 500


def test_too_many_fields_are_refused_in_every_encoding(office, stranger):
    assert stranger.client.post("/login/", data=b"&" * 6000, content_type=FORM).status_code == 413
    assert stranger.client.post("/login/", data=b"a=1&" * 1000, content_type=FORM).status_code != 413


FORM = "application/x-www-form-urlencoded"


def test_the_application_too_asks_for_the_permission_before_it_reads(office):
    """Whatever server it runs under: the body of a request that is refused is never asked for."""
    headers = signed_in(office, "AssignmentOfficer", authority("330106"))

    class Body:
        asked = 0

        def read(self, *size):
            self.asked += 1
            return b""

    for length, more in ((140 * MB, {}), (140 * MB, headers), (MB, {})):
        body = Body()
        environ = {"CONTENT_LENGTH": str(length), "CONTENT_TYPE": FORM, "wsgi.input": body}
        answer = office.test_client().post("/ledger/act/add_photos", environ_overrides=environ, headers=more)
        assert (answer.status_code, body.asked) == (413, 0)


# --- Waiting for somebody else's row --------------------------------------------------------------


def test_requests_that_wait_for_a_row_give_up_and_the_health_check_answers_meanwhile(settings, office):
    held = task("unassigned")
    headers = signed_in(office, "AssignmentOfficer", authority("330106"))
    database = settings.SQLALCHEMY_DATABASE_URI
    impatient = create_app(type(settings)({
        "DATABASE_URL": database, "SECRET_KEY": settings.SECRET_KEY, "LOCK_TIMEOUT": "1500ms",
        "FILES": settings.FILES, "KEYS": settings.KEYS,
    }))  # fmt: skip
    with running(impatient, WEB_THREADS=4) as one:
        with closing(connection(one)) as made:
            made.request("GET", "/session/token", headers=headers)
            answer = made.getresponse()
            headers["X-CSRFToken"] = json.loads(answer.read())["token"]
            headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        db.session.execute(text("SELECT 1 FROM task WHERE id = :id FOR UPDATE"), {"id": held.id})
        statuses = []
        clients = [threading.Thread(target=lambda: statuses.append(refuse(one, held.id, headers))) for _ in range(8)]
        for client in clients:
            client.start()
        until(lambda: one.task_dispatcher.active_count >= 4)
        times = []
        while any(client.is_alive() for client in clients):
            began = time.monotonic()
            assert get(one)[0] == 200
            times.append(time.monotonic() - began)
        db.session.rollback()

    assert statuses == [409] * 8
    assert max(times) < 1.5  # shorter than the wait of those that hold all threads


def refuse(one, id, headers):
    fields = {"selection": "ids", "id": id, "reason": "器具已经报废，不再检定，请联系使用单位"}
    with closing(connection(one)) as made:
        made.request("POST", "/assignments/act/refuse", urlencode(fields), {"Content-Type": FORM, **headers})
        answer = made.getresponse()
        answer.read()
        return answer.status
