"""Killed at any moment, under load, again and again: what was acknowledged is there."""

import collections
import concurrent.futures
import contextlib
import json
import random
import threading
import time

from support import PASSWORD, MailServer, smtp, wait_for

ROUNDS = 6
PEOPLE = 4


class Person:
    """Registers, verifies, signs in and resets as fast as the server answers, and keeps book."""

    def __init__(self, number, mail):
        self.number, self.mail, self.count = number, mail, 0
        self.registered, self.verified, self.sessions, self.passwords = [], [], [], {}
        self.spent = []

    def live(self, client, stop):
        while not stop.is_set():
            # The server may be gone in the middle of anything.
            with contextlib.suppress(OSError, json.JSONDecodeError):
                self.once(client(), stop)

    def once(self, client, stop):
        self.count += 1
        address = f"p{self.number}-{self.count}@example.com"
        if client.register(address).status == 200:
            self.registered.append(address)
        received = self.wait(address, "verify-email", stop)
        if received is None:
            return
        if client.verify(received.token).status == 200:
            self.verified.append(address)
            self.passwords[address] = {PASSWORD}
        signed_in = client.login(address)
        if signed_in.status == 200:
            self.sessions.append((address, signed_in.data["session_id"]))
        client.api("forgot-password", email=address)
        received = self.wait(address, "reset-password", stop)
        if received is None:
            return
        new = f"an altogether new phrase {self.count}"
        # Until the answer is here, either may hold.
        self.passwords[address].add(new)
        if client.api("password/reset", token=received.token, new_password=new).status == 200:
            self.passwords[address] = {new}
            self.spent.append(received.token)
            self.sessions = [it for it in self.sessions if it[0] != address]

    def wait(self, address, page, stop):
        while not stop.is_set():
            found = [it for it in self.mail.to(address) if page in it.text]
            if found:
                return found[-1]
            time.sleep(0.02)
        return None


def run(world, settings):
    mail = MailServer()
    cheap = {"PASSWORDS__MEMORY_KIB": 19456, "MAIL__SMTP_URL": smtp(mail), **settings}
    server = world.server(cheap).tenant()
    people = [Person(number, mail) for number in range(PEOPLE)]
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(PEOPLE) as pool:
        lives = [pool.submit(person.live, server.client, stop) for person in people]
        for _ in range(ROUNDS):
            server.start()
            time.sleep(1 + random.random())
            server.kill()
        stop.set()
        for life in lives:
            life.result()
    server.start()
    client = server.client()
    for person in people:
        settle(server, client, mail, person)
    # Few enough not to count as guessing.
    for token in [token for person in people for token in person.spent[-6:]]:
        again = client.api("password/reset", token=token, new_password="yet another long phrase")
        assert again.status == 400, f"a token worked twice: {again.status}"
    numbers = collections.Counter(it.id for it in mail.mails)
    assert max(numbers.values()) <= 2, f"a mail was sent {max(numbers.values())} times"
    assert sum(len(person.verified) for person in people) > 5, "there was no load to speak of"
    assert server.stop() == 0
    mail.close()


def settle(server, client, mail, person):
    """Holds what a person was told against what is there."""
    for address in person.registered:
        if address not in person.verified:
            received = wait_for(f"the mail of {address}", lambda: mail.to(address), 240)[0]
            answer = client.verify(received.token)
            assert answer.status == 200, f"an acknowledged registration is lost: {answer.text}"
    for address, passwords in person.passwords.items():
        works = [it for it in passwords if client.login(address, it).status == 200]
        assert len(works) == 1, f"{address}: {len(works)} of {len(passwords)} passwords work"
    for address, session in person.sessions:
        if person.passwords[address] == {PASSWORD}:
            listed = json.loads(server.command("--json", "session", "list", "--tenant", "acme", address))
            assert session in [it["id"] for it in listed], "an acknowledged session is lost"


def test_on_sqlite(world):
    run(world, {})


def test_on_postgres(world):
    run(world, {"DATABASE_URL": world.database()})
