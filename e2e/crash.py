"""Killed at any moment, under load, again and again: what was acknowledged is there.

An answer that never came leaves open whether the thing was done, so either is right then.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import random
import threading
import time

from support import PASSWORD, MailServer, smtp, wait_for

ROUNDS = 8
PEOPLE = 6
# A mail whose sender was killed is taken over by the next server after a minute.
TAKEN_OVER = 120


class Account:
    """What its owner was told."""

    def __init__(self, address):
        self.address = address
        self.registered = self.verified = self.asked = False
        self.passwords, self.sessions, self.spent = {PASSWORD}, [], []


class Person:
    """Registers, verifies, signs in and resets as fast as the server answers, and keeps book."""

    def __init__(self, number, mail):
        self.number, self.mail, self.accounts = number, mail, []

    def live(self, client, stop):
        while not stop.is_set():
            # The server may be gone in the middle of anything.
            with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                self.once(client(), stop)

    def once(self, client, stop):
        account = Account(f"p{self.number}-{len(self.accounts)}@example.com")
        self.accounts.append(account)
        account.registered = client.register(account.address).status == 200
        received = self.wait(account.address, "verify-email", stop)
        if received is None:
            return
        account.verified = client.verify(received.token).status == 200
        signed_in = client.login(account.address)
        if signed_in.status == 200:
            account.sessions.append(signed_in.data["session_id"])
        # Every other one keeps the password, and so the sessions.
        if len(self.accounts) % 2 == 0:
            return
        account.asked = client.api("forgot-password", email=account.address).status == 200
        received = self.wait(account.address, "reset-password", stop)
        if received is None:
            return
        new = f"an altogether new phrase {len(self.accounts)}"
        # From here on and until the answer is here, either password may hold, and a session too.
        account.passwords.add(new)
        account.sessions.clear()
        if client.api("password/reset", token=received.token, new_password=new).status == 200:
            account.passwords = {new}
            account.spent.append(received.token)

    def wait(self, address, page, stop, seconds=2):
        end = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < end:
            found = first(self.mail, address, page)
            if found:
                return found
            time.sleep(0.02)
        return None


def resets(people):
    return sum(len(account.spent) for person in people for account in list(person.accounts))


def first(mail, address, page):
    return next((it for it in mail.to(address) if page in it.text), None)


def run(world, settings):
    mail = MailServer()
    server = world.server({"MAIL__SMTP_URL": smtp(mail), **settings}).tenant()
    people = [Person(number, mail) for number in range(PEOPLE)]
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(PEOPLE) as pool:
        lives = [pool.submit(person.live, server.client, stop) for person in people]
        try:
            for _ in range(ROUNDS):
                server.start()
                before = resets(people)
                wait_for("a reset under load", lambda: resets(people) > before, 60)
                time.sleep(random.random() / 2)
                server.kill()
        finally:
            stop.set()
        for life in lives:
            life.result()
    server.start()
    accounts = [account for person in people for account in person.accounts]
    for account in accounts:
        settle(server, mail, account)
    nothing_twice(server, mail, accounts)
    verdict = server.command("audit", "verify", "--all")
    assert "whole" in verdict and "broken" not in verdict, verdict
    assert server.stop() == 0
    world.notes.append(load(accounts, mail))
    mail.close()


def settle(server, mail, account):
    """Holds what a person was told against what is there."""
    address, client = account.address, server.client()
    if account.registered and not account.verified:
        received = wait_for(f"the mail of {address}", lambda: first(mail, address, "verify-email"), TAKEN_OVER)
        answer = client.verify(received.token)
        assert answer.status == 200, f"an acknowledged registration is lost: {address} {answer.text}"
        account.verified = True
    if account.asked:
        wait_for(f"the reset mail of {address}", lambda: first(mail, address, "reset-password"), TAKEN_OVER)
    if account.verified:
        works = [it for it in account.passwords if client.login(address, it).status == 200]
        assert len(works) == 1, f"{address}: {len(works)} of {len(account.passwords)} passwords work"
    if account.sessions:
        listed = json.loads(server.command("--json", "session", "list", "--tenant", "acme", address))
        lost = set(account.sessions) - {it["id"] for it in listed}
        assert not lost, f"acknowledged sessions of {address} are lost: {lost}"


def nothing_twice(server, mail, accounts):
    # Few enough not to count as guessing.
    for token in [token for account in accounts for token in account.spent][-25:]:
        again = server.client().api("password/reset", token=token, new_password="yet another long phrase")
        assert again.status == 400, f"a token worked twice: {again.status} {again.text}"
    numbers = collections.Counter(it.id for it in mail.mails)
    assert max(numbers.values()) <= 2, f"a mail was sent {max(numbers.values())} times"


def load(accounts, mail):
    counts = {
        "registered": sum(it.registered for it in accounts),
        "verified": sum(it.verified for it in accounts),
        "sessions": sum(len(it.sessions) for it in accounts),
        "resets": sum(len(it.spent) for it in accounts),
        "mails twice": len(mail.mails) - len({it.id for it in mail.mails}),
    }
    assert counts["sessions"], "no session was open at the end"
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def test_on_sqlite(world):
    run(world, {})


def test_on_postgres(world):
    run(world, {"DATABASE_URL": world.database()})
