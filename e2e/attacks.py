"""Attacks on a server of one's own, and what its people experience meanwhile.

Everybody here is an actor of `load`: attackers who have a thousand addresses and much patience, the
owner of an account they want, and the people of another tenant who have nothing to do with it. What
they see is told in `Experience` and `Loot`.
"""

import collections
import itertools
import socket
import threading
import time

from load import Pause, address
from puzzle import begun as puzzle_solver
from seeds import person
from support import PASSWORD

VICTIM, NEIGHBOUR = "acme", "beside"
OWNER = "owner@example.com"
KNOWN = "10.200.0.1"


def path(endpoint, tenant=VICTIM):
    return f"/api/v1/auth/tenants/{tenant}/{endpoint}"


def status_of(answer):
    """What an answer to a sign-in means."""
    if answer.status == 200:
        return answer.data.get("status", "success")
    return answer.json.get("code", str(answer.status)) if answer.body else "no answer"


class Experience:
    """How somebody's own sign-ins went while others attacked."""

    def __init__(self, who):
        self.who, self.results, self.times = who, collections.Counter(), []
        # How often a captcha had to be solved.
        self.puzzles = 0

    def add(self, answer, seconds=None):
        self.results[status_of(answer)] += 1
        if answer.status == 200:
            self.times.append(seconds or answer.seconds)

    @property
    def tries(self):
        return sum(self.results.values())

    @property
    def entered(self):
        return self.results["success"]

    def share(self, part):
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else float("nan")

    def __str__(self):
        if not self.tries:
            return "–"
        others = {it: count for it, count in self.results.items() if it != "success"}
        refused = "".join(f", {count} {name}" for name, count in sorted(others.items()))
        times = f"; {self.share(0.5):.0f} / {self.share(0.95):.0f} ms" if self.times else ""
        solved = f", {self.puzzles} captchas" if self.puzzles else ""
        return f"{self.entered} of {self.tries}{times}{solved}{refused}"


class Loot:
    """What an attack came to: answers by what they mean, accounts entered, and who was judged from where."""

    def __init__(self):
        self.results, self.entered, self.judged = collections.Counter(), set(), collections.Counter()

    def add(self, answer, where=None):
        result = status_of(answer)
        self.results[result] += 1
        # Only where the password or code was looked at has the attacker learnt anything.
        if result in ("success", "mfa_required", "invalid_credentials", "failed"):
            self.judged[where] += 1
        return result

    def __str__(self):
        return ", ".join(f"{count} {name}" for name, count in self.results.most_common()) or "–"


# People.


def owner_at_home(target, experience, cookie, every=1.0):
    """The owner of the wanted account, on a device that has signed in before."""
    request = target.post(path("login"), {"email": OWNER, "password": PASSWORD}, KNOWN, [("Cookie", cookie)])
    while True:
        experience.add((yield request))
        yield Pause(every)


def owner_abroad(target, experience, every=2.0):
    """The same, each time on a new device at a new place, whose browser solves what is asked of it."""
    for number in itertools.count():
        yield Pause(every)
        place, body = f"10.201.{number >> 8 & 255}.{number & 255}", {"email": OWNER, "password": PASSWORD}
        begun = time.perf_counter()
        answer = yield target.post(path("login"), body, place)
        if status_of(answer) == "captcha_required":
            experience.puzzles += 1
            puzzle = yield target.request("GET", path("captcha"), headers=[("X-Forwarded-For", place)])
            if puzzle.status != 200:
                experience.add(puzzle, time.perf_counter() - begun)
                continue
            process = puzzle_solver(puzzle.json)
            while process.poll() is None:
                yield Pause(0.02)
            answer = yield target.post(path("login"), body, place, [("X-Captcha-Token", process.stdout.read().strip())])
        experience.add(answer, time.perf_counter() - begun)


def neighbour(target, experience, every=0.5):
    """People of another tenant, each at home somewhere else."""
    for number in itertools.count():
        place = f"10.202.{number >> 8 & 255}.{number & 255}"
        experience.add((yield target.post(path("login", NEIGHBOUR), {"email": person(number % 50), "password": PASSWORD}, place)))
        yield Pause(every)


# Attackers.


def stuffing(target, pairs, addresses, loot):
    """Tries address and password pairs from elsewhere, each request from the next client address."""
    for number, (email, password) in pairs:
        place = address(number % addresses)
        result = loot.add((yield target.post(path("login"), {"email": email, "password": password}, place)), place)
        if result in ("success", "mfa_required", "mfa_enrollment_required", "password_change_required"):
            loot.entered.add(email)


def guessing(target, loot, addresses, every):
    """Guesses the password of one account, patiently, from ever other addresses."""
    for number in itertools.count():
        answer = yield target.post(path("login"), {"email": OWNER, "password": f"guess number {number}"}, address(number % addresses))
        loot.add(answer, OWNER)
        yield Pause(every)


def registering(target, numbers, addresses, loot):
    """Registers one made-up person after another; every fourth time the same one."""
    for number in numbers:
        email = "wanted@example.net" if number % 4 == 0 else f"flood{number}@example.net"
        body = {"email": email, "password": f"many words in a row {number}", "first_name": "Ada", "last_name": "King"}
        loot.add((yield target.post(path("register"), body, address(number % addresses))))


def forgetting(target, numbers, addresses, loot):
    """Asks for reset mails: for the owner, and for addresses that may have an account."""
    for number in numbers:
        email = OWNER if number % 2 == 0 else person(number)
        loot.add((yield target.post(path("forgot-password"), {"email": email}, address(number % addresses))))


def code_guessing(target, loot, email, addresses):
    """Knows a password and guesses the second factor: a new step when one is used up."""
    codes = itertools.count(1)
    for number in itertools.count():
        place = address(number % addresses)
        answer = yield target.post(path("login"), {"email": email, "password": PASSWORD}, place)
        result = status_of(answer)
        loot.results[f"step: {result}"] += 1
        if result != "mfa_required":
            yield Pause(0.2)
            continue
        step = answer.data
        for _ in range(6):
            body = {"mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": "totp", "code": f"{next(codes) * 7919 % 1_000_000:06}"}
            result = loot.add((yield target.post(path("mfa/verify"), body, place)), email)
            if result == "success":
                loot.entered.add(email)
            if result != "failed":
                break


def flooding(target, numbers, addresses, loot):
    """Has the server hash: sign-ins of people who do not exist, as fast as it answers."""
    for number in numbers:
        place = address(number % addresses)
        loot.add((yield target.post(path("login"), {"email": f"nobody{number}@example.com", "password": "x" * 20}, place)), place)


def huge(target, numbers, addresses, loot):
    """Bodies of a megabyte where some hundred bytes are expected."""
    body = b'{"email": "' + b"a" * 1_000_000 + b'"}'
    for number in numbers:
        loot.results[str((yield target.post(path("login"), body, address(number % addresses))).status)] += 1


class Slow(threading.Thread):
    """Connections that promise a body and send a byte of it now and then."""

    def __init__(self, target, number, seconds):
        super().__init__(daemon=True)
        self.target, self.number, self.seconds = target, number, seconds
        self.ended, self.lived = 0, []

    def run(self):
        head = self.target.request("POST", path("login"), b"x" * 1000)[:-1000]
        lines = []
        for _ in range(self.number):
            line = socket.create_connection(self.target.place, timeout=5)
            line.sendall(head)
            line.setblocking(False)
            lines.append((line, time.monotonic()))
        end = time.monotonic() + self.seconds
        while lines and time.monotonic() < end:
            time.sleep(0.5)
            lines = [it for it in lines if self.is_open(*it)]
        for line, _ in lines:
            line.close()

    def is_open(self, line, since):
        try:
            line.send(b"x")
            if line.recv(1000):
                raise ConnectionError
        except BlockingIOError:
            return True
        except OSError:
            pass
        line.close()
        self.ended += 1
        self.lived.append(time.monotonic() - since)
        return False
