"""A wire that can be cut: TCP connections to a port of this machine that break where a test wants.

It stands between a node and PostgreSQL, can lead to another server from one moment to the next, and
breaks connections as networks and machines do: reset at once, reset in the middle of a message,
silent for a while, closed in one direction only, refused.
"""

import asyncio
import contextlib
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)


class Wire:
    """One connection: two streams and what is between them."""

    def __init__(self, forwarder, near, far):
        self.forwarder, self.near, self.far, self.fuse = forwarder, near, far, None

    async def carry(self):
        ways = [self.pump(self.near[0], self.far[1]), self.pump(self.far[0], self.near[1])]
        await asyncio.gather(*ways, return_exceptions=True)
        self.cut()

    async def pump(self, source, sink):
        while data := await source.read(65536):
            await self.forwarder.open.wait()
            if self.fuse is not None and self.fuse < len(data):
                sink.write(data[: self.fuse])
                await sink.drain()
                self.cut()
                return
            if self.fuse is not None:
                self.fuse -= len(data)
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    def cut(self):
        """Resets both ends."""
        for _, writer in (self.near, self.far):
            end = writer.get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class Forwarder:
    def __init__(self, target):
        self.target, self.wires, self.is_refusing = target, set(), False
        self.loop, started = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.live, args=[started], daemon=True)
        self.thread.start()
        started.wait()

    def live(self, started):
        asyncio.set_event_loop(self.loop)
        self.open = asyncio.Event()
        self.open.set()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.accept, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def accept(self, *near):
        try:
            if self.is_refusing:
                raise ConnectionRefusedError
            far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            near[1].transport.abort()
            return
        wire = Wire(self, near, far)
        self.wires.add(wire)
        try:
            await wire.carry()
        finally:
            self.wires.discard(wire)

    def do(self, action, *arguments):
        """Has the loop do something and waits for it."""

        async def run():
            return action(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def cut(self):
        """Resets all connections."""
        self.do(lambda: [it.cut() for it in list(self.wires)])

    def cut_after(self, size):
        """Resets each connection in the middle of its traffic, when so many more bytes have passed."""
        self.do(lambda: [setattr(it, "fuse", size) for it in self.wires])

    def half_close(self):
        """Closes all connections in one direction: the server hears that nothing more comes."""
        self.do(lambda: [it.far[1].write_eof() for it in self.wires if it.far[1].can_write_eof()])

    def halt(self):
        """Nothing passes any more, and nobody is told."""
        self.do(self.open.clear)

    def resume(self):
        self.do(self.open.set)

    def refuse(self):
        """Resets all connections, and new ones too until `accept_again`."""
        self.is_refusing = True
        self.cut()

    def accept_again(self):
        self.is_refusing = False

    def close(self):
        self.cut()
        self.do(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
