#!/usr/bin/env python3
"""Makes load: many actors at once on one core, each on a connection of its own that is kept.

usage: e2e/load.py URL [--body TEXT] [--kind TYPE] [--header NAME:VALUE] [--connections N]
                   [--seconds S] [--count N] [--addresses N]

An actor is a generator: it yields requests (bytes) and is handed the answers. A `Pause` lets it
wait. So a sign-in in two steps, or a guesser who obeys `Retry-After`, reads like what it is.
With --addresses each request says by X-Forwarded-For that it comes from one of N addresses, which a
server believes that has 127.0.0.1 among its `trusted_proxies`.

Load goes to this machine and nowhere else: any other target is refused. A run ends after its
seconds or its number of requests, whichever comes first.
"""

import argparse
import collections
import errno
import heapq
import ipaddress
import itertools
import json
import select
import socket
import time
import urllib.parse

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Pause:
    """What an actor yields in order to do nothing for a while."""

    def __init__(self, seconds):
        self.seconds = seconds


class Target:
    """Where load goes: loopback only, so that nothing here can be turned on others."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
        try:
            is_near = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_near = False
        if parts.scheme != "http" or not is_near:
            raise ValueError("load goes to http on a loopback address and nowhere else")
        self.place = (host, parts.port or 80)
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.name = parts.netloc
        self.path = parts.path + (f"?{parts.query}" if parts.query else "") or "/"

    def request(self, method, path, body=b"", kind=JSON, headers=()):
        """A request as it goes over the wire. A body that is not bytes becomes JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.name}"]
        if body or method != "GET":
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def post(self, path, body, address=None, headers=()):
        """A call with a body, from a client with this address."""
        said = [("X-Forwarded-For", address)] if address else []
        return self.request("POST", path, body, headers=[*said, *headers])


class Answer:
    """What came back; status 0 where nothing did, because the connection broke off or time was up."""

    __slots__ = ("status", "head", "body", "seconds")

    def __init__(self, status, head, body, seconds):
        self.status, self.head, self.body, self.seconds = status, head, body, seconds

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json.get("data", {})

    def header(self, name):
        wanted = name.lower()
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == wanted:
                return value.strip()
        return None

    @property
    def retry_after(self):
        return int(self.header("Retry-After") or 1)


def length_of(head):
    """How many bytes follow the head: a number, or None where they come in chunks."""
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at >= 0:
        end = lowered.find(b"\r\n", at + 2)
        return int(lowered[at + 17 : end if end >= 0 else None])
    return None if b"\r\ntransfer-encoding: chunked" in lowered else 0


def unchunked(data, at):
    """The body in chunks that begins there and where it ends, or None while it is not complete."""
    parts = []
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at:end].split(b";")[0], 16)
        if len(data) < end + 2 + size + 2:
            return None
        if size == 0:
            return b"".join(parts), end + 4
        parts.append(bytes(data[end + 2 : end + 2 + size]))
        at = end + 2 + size + 2


def parsed(data):
    """The first answer in these bytes and its length: (status, head, body, length), or None."""
    split = data.find(b"\r\n\r\n")
    if split < 0:
        return None
    head = bytes(data[:split])
    size = length_of(head)
    if size is None:
        found = unchunked(data, split + 4)
        return found and (int(head[9:12]), head, found[0], found[1])
    end = split + 4 + size
    return None if len(data) < end else (int(head[9:12]), head, bytes(data[split + 4 : end]), end)


class Line:
    """An actor's connection and what is under way on it."""

    __slots__ = ("actor", "socket", "inbox", "outbox", "since", "is_waited_for")

    def __init__(self, actor, is_waited_for):
        self.actor, self.socket, self.inbox, self.outbox, self.since = actor, None, bytearray(), b"", None
        self.is_waited_for = is_waited_for


class Load:
    """A run: actors, and the loop that lets them act. `run` returns the seconds it took."""

    def __init__(self, target, seconds, count=None, patience=35):
        self.target, self.seconds, self.patience = target, seconds, patience
        self.left = count if count is not None else float("inf")
        self.lines, self.wakes, self.order = {}, [], itertools.count()
        self.idle, self.answers, self.acting = [], 0, 0
        self.poll = select.epoll()

    def add(self, actor, is_waited_for=True):
        """One more actor; the run is over when all of those who are waited for have ended."""
        self.idle.append(Line(actor, is_waited_for))
        self.acting += is_waited_for
        return self

    def run(self):
        """Lets everybody act until time is up; what is under way then is waited for."""
        start = time.perf_counter()
        self.end = start + self.seconds
        lines, self.idle = self.idle, []
        for line in lines:
            self.step(line, None)
        swept = start
        while (now := time.perf_counter()) < self.end and self.acting or self.is_awaited(now):
            if not self.acting:
                self.end = min(self.end, now)
            while self.wakes and self.wakes[0][0] <= now < self.end:
                self.step(heapq.heappop(self.wakes)[2], None)
            until = min(self.wakes[0][0] if self.wakes and now < self.end else now + 0.5, now + 0.5)
            for number, events in self.poll.poll(max(0, until - time.perf_counter())):
                if number in self.lines:
                    self.serve(self.lines[number], events)
            if now - swept > 1:
                swept = now
                for line in [it for it in self.lines.values() if it.since and now - it.since > self.patience]:
                    self.fail(line)
        took = time.perf_counter() - start
        self.close()
        return took

    def is_awaited(self, now):
        return now < self.end + self.patience and any(it.since for it in self.lines.values())

    def close(self):
        for line in [*self.lines.values(), *(it[2] for it in self.wakes)]:
            if line.socket:
                line.socket.close()
            line.actor.close()
        self.lines.clear()
        self.wakes.clear()
        self.poll.close()

    def step(self, line, answer):
        """Hands the actor its answer and takes what he wants next."""
        try:
            wish = line.actor.send(answer)
        except StopIteration:
            self.leave(line)
            return
        if isinstance(wish, Pause):
            heapq.heappush(self.wakes, (time.perf_counter() + wish.seconds, next(self.order), line))
            return
        if self.left <= 0 or time.perf_counter() >= self.end:
            line.actor.close()
            self.leave(line)
            return
        self.left -= 1
        line.since, line.outbox = time.perf_counter(), wish
        self.transmit(line)

    def leave(self, line):
        self.hang_up(line)
        self.acting -= line.is_waited_for

    def transmit(self, line):
        """Sends what is due, on a new connection where there is none."""
        if line.socket is None:
            line.socket = socket.socket(self.target.family, socket.SOCK_STREAM)
            line.socket.setblocking(False)
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun = line.socket.connect_ex(self.target.place)
            self.lines[line.socket.fileno()] = line
            self.poll.register(line.socket, select.EPOLLIN | select.EPOLLOUT)
            if begun not in (0, errno.EINPROGRESS):
                self.fail(line)
            return
        self.lines[line.socket.fileno()] = line
        self.flush(line)

    def flush(self, line):
        try:
            sent = line.socket.send(line.outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.broken(line)
            return
        line.outbox = line.outbox[sent:] if sent < len(line.outbox) else b""
        self.poll.modify(line.socket, select.EPOLLIN | (select.EPOLLOUT if line.outbox else 0))

    def serve(self, line, events):
        if events & select.EPOLLOUT and line.outbox:
            self.flush(line)
        if line.socket is None or not events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            data = line.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.broken(line)
            return
        line.inbox += data
        found = parsed(line.inbox)
        if found and line.since is not None:
            self.deliver(line, found)

    def deliver(self, line, found):
        status, head, body, length = found
        del line.inbox[:length]
        answer = Answer(status, head, body, time.perf_counter() - line.since)
        line.since = None
        self.answers += 1
        if b"\r\nconnection: close" in head.lower():
            self.hang_up(line)
        self.step(line, answer)

    def broken(self, line):
        """The other side has gone: between two requests that is its right."""
        if line.since is None:
            self.hang_up(line)
        else:
            self.fail(line)

    def fail(self, line):
        waited = time.perf_counter() - line.since
        line.since, line.outbox = None, b""
        self.hang_up(line)
        self.step(line, Answer(0, b"", b"", waited))

    def hang_up(self, line):
        if line.socket:
            self.lines.pop(line.socket.fileno(), None)
            line.socket.close()
        line.socket, line.inbox = None, bytearray()


class Figures:
    """What became of requests: how many with which status, and how long they took."""

    def __init__(self):
        self.statuses, self.times = collections.Counter(), []

    def add(self, answer):
        self.statuses[answer.status] += 1
        self.times.append(answer.seconds)
        return answer

    def share(self, part):
        """The time in milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else float("nan")

    def __str__(self):
        seen = ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(self.statuses.items()))
        return f"{seen or 'nothing'}; p50 {self.share(0.5):.1f} ms, p95 {self.share(0.95):.1f} ms, p99 {self.share(0.99):.1f} ms"


def address(number):
    """A client address of its own for each number, all in 10.0.0.0/8."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def repeating(requests, figures):
    """An actor that sends these one after another, without end."""
    for request in itertools.cycle(requests):
        figures.add((yield request))


def main():
    arguments = argparse.ArgumentParser(description="Makes load on a server on this machine.")
    arguments.add_argument("url")
    arguments.add_argument("--body", help="makes it a POST")
    arguments.add_argument("--kind", default=JSON, help="the type of the body")
    arguments.add_argument("--header", action="append", default=[], help="NAME:VALUE")
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--count", type=int, help="requests at most")
    arguments.add_argument("--addresses", type=int, default=0, help="client addresses to come from")
    given = arguments.parse_args()
    try:
        target = Target(given.url)
    except ValueError as fault:
        arguments.error(str(fault))
    headers = [tuple(it.strip() for it in header.split(":", 1)) for header in given.header]
    method, body = ("POST", given.body.encode()) if given.body is not None else ("GET", b"")
    figures, load = Figures(), Load(target, given.seconds, given.count)
    for first in range(given.connections):
        own = [address(number) for number in range(first, given.addresses, given.connections)] or [None]
        said = [[*headers, *([("X-Forwarded-For", it)] if it else [])] for it in own]
        load.add(repeating([target.request(method, target.path, body, given.kind, it) for it in said], figures))
    took = load.run()
    print(f"{load.answers / took:.0f}/s over {took:.1f} s: {figures}")


if __name__ == "__main__":
    main()
