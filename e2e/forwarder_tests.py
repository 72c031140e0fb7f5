"""The wire that can be cut is what it says."""

import contextlib
import socket
import socketserver
import threading

from forwarder import Forwarder


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@contextlib.contextmanager
def wire():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        forwarder = Forwarder(server.server_address[1])
        try:
            yield forwarder
        finally:
            forwarder.close()
            server.shutdown()


def call(forwarder):
    client = socket.create_connection(("127.0.0.1", forwarder.port), timeout=1)
    client.sendall(b"hello")
    assert client.recv(10) == b"hello"
    return client


def is_reset(client):
    try:
        client.sendall(b"more")
        return client.recv(100) == b""
    except ConnectionError:
        return True


def test_it_carries_and_it_cuts(_):
    with wire() as forwarder:
        client = call(forwarder)
        forwarder.cut()
        assert is_reset(client)
        call(forwarder)


def test_it_cuts_in_the_middle_of_a_message(_):
    with wire() as forwarder:
        client = call(forwarder)
        forwarder.cut_after(14)
        client.sendall(b"0123456789")
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(100):
                received += part
        # Ten bytes of the fourteen are for the way there.
        assert received in (b"", b"0123"), received
        assert is_reset(client)


def test_it_falls_silent_and_speaks_again(_):
    with wire() as forwarder:
        client = call(forwarder)
        forwarder.halt()
        client.sendall(b"more")
        client.settimeout(0.2)
        try:
            raise AssertionError(client.recv(10))
        except TimeoutError:
            pass
        forwarder.resume()
        client.settimeout(5)
        assert client.recv(10) == b"more"


def test_it_refuses_and_closes_one_direction(_):
    with wire() as forwarder:
        client = call(forwarder)
        forwarder.half_close()
        # The server heard the end of the stream, and ended its own.
        assert client.recv(10) == b""
        forwarder.refuse()
        with contextlib.suppress(ConnectionError):
            refused = socket.create_connection(("127.0.0.1", forwarder.port), timeout=1)
            assert is_reset(refused)
        forwarder.accept_again()
        call(forwarder)
