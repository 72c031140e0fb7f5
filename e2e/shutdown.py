"""SIGTERM: what is in flight is finished, nothing new begins, the exit code is 0."""

import contextlib
import http.client
import threading
import time

from support import wait_for


def test_a_sign_in_in_flight_is_finished(world):
    # A sign-in that takes a while: 256 MiB and four passes.
    server = world.server({"PASSWORDS__MEMORY_KIB": 262144, "PASSWORDS__PASSES": 4}).tenant().user().start()
    answers = []
    worker = threading.Thread(target=lambda: answers.append(server.client().login("grace@example.com")))
    worker.start()
    time.sleep(0.15)
    assert not answers, "the sign-in was too quick to be interrupted"
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    worker.join()
    assert answers[0].data["status"] == "success"


def test_an_idle_connection_holds_nothing_up(world):
    server = world.server().tenant().start()
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    idle.request("GET", "/health/live")
    idle.getresponse().read()
    silent = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    silent.connect()
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 5, "an idle connection kept the server alive"
    with contextlib.suppress(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=5).connect()
        raise AssertionError("the port is still open")
    idle.close()
    silent.close()


def test_it_comes_back_on_the_same_port_with_everything(world):
    server = world.server().tenant().user().start()
    assert server.client().login("grace@example.com").status == 200
    assert server.stop() == 0
    server.start()
    wait_for("a sign-in after the restart", lambda: server.client().login("grace@example.com").status == 200)
    assert server.stop() == 0
