"""SIGTERM: what is in flight is finished, nothing new begins, the exit code is 0."""

import threading
import time

from support import PASSWORD


def test_a_sign_in_in_flight_is_finished(world):
    # A sign-in that takes a while: 256 MiB and eight passes in a debug build.
    server = world.server({"PASSWORDS__MEMORY_KIB": 262144, "PASSWORDS__PASSES": 8}).tenant()
    server.command("user", "create", "--tenant", "acme", "grace@example.com", "--first-name", "Grace", "--last-name", "Hopper", "--password-stdin", given=PASSWORD + "\n")
    server.start()
    answers = []
    worker = threading.Thread(target=lambda: answers.append(server.client().login("grace@example.com")))
    worker.start()
    time.sleep(0.3)
    assert not answers, "the sign-in was too quick to be interrupted"
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    worker.join()
    assert answers[0].data["status"] == "success"
