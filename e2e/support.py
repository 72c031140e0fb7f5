"""Servers, mail and requests for the scenarios: the standard library only."""

import contextlib
import email
import email.policy
import http.cookiejar
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PASSWORD = "correct horse battery staple"


class Skip(Exception):
    """A scenario that cannot be shown on this machine; says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, fact, seconds=30):
    """Waits until `fact()` is true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        value = fact()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def data(self):
        assert self.status == 200, f"{self.status} {self.text}"
        # The portal's answers come without the envelope.
        return self.json.get("data", self.json)


class Client:
    """A program or a browser that keeps cookies."""

    def __init__(self, base):
        self.base = base
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def send(self, method, path, body=None, kind=None, timeout=30):
        headers = {"Content-Type": kind} if kind else {}
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def get(self, path):
        return self.send("GET", path)

    def form(self, path, **fields):
        body = urllib.parse.urlencode(fields).encode()
        return self.send("POST", path, body, "application/x-www-form-urlencoded")

    def api(self, endpoint, tenant="acme", **fields):
        body = json.dumps(fields).encode()
        return self.send("POST", f"/api/v1/auth/tenants/{tenant}/{endpoint}", body, "application/json")

    def register(self, address, password=PASSWORD):
        return self.api("register", email=address, password=password, first_name="Grace", last_name="Hopper")

    def login(self, address, password=PASSWORD):
        return self.api("login", email=address, password=password)

    def verify(self, token, tenant="acme"):
        return self.get(f"/api/v1/auth/tenants/{tenant}/verify-email?token={token}")


class Mail:
    def __init__(self, recipients, raw):
        self.to = recipients
        self.message = email.message_from_bytes(raw, policy=email.policy.default)
        self.text = self.message.get_body(("plain",)).get_content()

    @property
    def link(self):
        return re.search(r"https?://\S+token=[\w-]+", self.text).group(0)

    @property
    def token(self):
        return re.search(r"token=([\w-]+)", self.text).group(1)

    @property
    def id(self):
        return self.message["Message-ID"]


class MailServer:
    """Receives mail by SMTP, enough of RFC 5321 for an honest client."""

    def __init__(self, port=0):
        self.mails, self.lock = [], threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                with contextlib.suppress(ConnectionError):
                    outer.talk(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def talk(self, line):
        """The conversation on one connection."""
        line.say("220 mail.example.com")
        recipients = []
        while said := line.rfile.readline().decode().strip():
            verb = said.split(" ")[0].split(":")[0].upper()
            if verb == "RCPT":
                recipients.append(re.search(r"<(.*?)>", said).group(1))
            if verb == "DATA":
                line.say("354 go on")
                self.arrived(Mail(recipients, self.content(line)))
                recipients = []
            line.say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def content(self, line):
        """The mail itself, up to the dot."""
        raw = b""
        while (part := line.rfile.readline()) not in (b".\r\n", b""):
            raw += part[1:] if part.startswith(b".") else part
        return raw

    def arrived(self, mail):
        with self.lock:
            self.mails.append(mail)

    def to(self, address):
        with self.lock:
            return [mail for mail in self.mails if address in mail.to]

    def wait(self, address, number=1, seconds=30):
        """The newest of at least `number` mails to an address."""
        mails = wait_for(f"mail {number} to {address}", lambda: len(self.to(address)) >= number and self.to(address), seconds)
        return mails[-1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Server:
    """A server of ours with a data folder of its own."""

    def __init__(self, world, settings=None, data=None, arguments=()):
        self.world, self.settings, self.arguments = world, settings or {}, arguments
        # What its environment has besides, not by the server's own names.
        self.variables = {}
        self.data = pathlib.Path(data or tempfile.mkdtemp(dir=world.folder))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = None

    def environment(self):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        clean["COUNTERSIGN_LIMITS__ENABLED"] = "false"
        clean["COUNTERSIGN_DATA_DIR"] = str(self.data)
        clean.update({f"COUNTERSIGN_{name}": str(value) for name, value in self.settings.items()})
        clean.update(self.variables)
        return clean

    def start(self, wait=True):
        log = open(self.data.parent / f"{self.data.name}-{self.port}.log", "ab")
        command = [self.world.binary, "serve", "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        self.process = self.world.spawn(command, env=self.environment(), stdout=log, stderr=log)
        log.close()
        if wait:
            wait_for("the server to be ready", self.is_ready)
        return self

    @property
    def log(self):
        return (self.data.parent / f"{self.data.name}-{self.port}.log").read_text()

    def is_ready(self):
        assert self.process.poll() is None, "the server has ended by itself"
        with contextlib.suppress(OSError):
            return Client(self.base).get("/health/ready").status == 200

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def run(self, *arguments, given=None):
        """Runs an operator's command on this server's data."""
        command = [self.world.binary, *arguments]
        return subprocess.run(command, env=self.environment(), input=given, capture_output=True, text=True, timeout=60)

    def command(self, *arguments, given=None, fails=False):
        """Runs an operator's command; returns what it printed, or its complaint where it has to fail."""
        ran = self.run(*arguments, given=given)
        assert (ran.returncode != 0) == fails, f"{arguments}: {ran.returncode} {ran.stdout} {ran.stderr}"
        return ran.stderr if fails else ran.stdout

    def user(self, address="grace@example.com"):
        """Creates a user with the usual password."""
        names = ["--first-name", "Grace", "--last-name", "Hopper"]
        self.command("user", "create", "--tenant", "acme", address, *names, "--password-stdin", given=PASSWORD + "\n")
        return self

    def tenant(self, slug="acme"):
        self.command("tenant", "create", slug, "--set", "registration.enabled=true")
        return self

    def client(self):
        return Client(self.base)


class World:
    """What a scenario has: the program, a folder, a database server; all gone afterwards."""

    def __init__(self, binary, postgres):
        self.binary, self.postgres = binary, postgres
        self.folder = tempfile.mkdtemp(prefix="countersign-e2e-")
        os.chmod(self.folder, 0o755)
        self.processes, self.notes = [], []
        # Of what is left to chance, and how often as much is tried as usual.
        self.seed, self.length = 0, 1

    def server(self, settings=None, **more):
        return Server(self, settings, **more)

    def spawn(self, command, **more):
        """Starts a program that ends with this world, and so does what it starts itself."""
        process = subprocess.Popen(command, start_new_session=True, **more)
        self.processes.append(process)
        return process

    def end_processes(self):
        for process in self.processes:
            # The number of one that has ended may belong to somebody else by now.
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    process.kill()
                process.wait()
        self.processes.clear()

    def database(self):
        """A fresh PostgreSQL database; its URL."""
        name = f"e2e_{os.getpid()}_{time.monotonic_ns()}"
        subprocess.run(["psql", "-qX", self.postgres, "-c", f"CREATE DATABASE {name}"], check=True)
        return f"{self.postgres.rsplit('/', 1)[0]}/{name}"

    def close(self):
        self.end_processes()
        shutil.rmtree(self.folder, ignore_errors=True)


def smtp(mail):
    return f"smtp://127.0.0.1:{mail.port}?tls=none"
