#!/usr/bin/env python3
"""What attackers get, and what everybody else notices of it.

usage: e2e/abuse.py --binary PATH [--scale FACTOR] [--out FILE]

As a scenario of `run.py` it is small and holds what it finds against facts. As a program it is as
large as it is told to be (20: a hundred thousand pairs from a thousand addresses; a quarter of an
hour) and prints what `docs/abuse.md` tells. The server has its defaults, and believes the client
addresses that the attackers claim.
"""

import argparse
import dataclasses
import itertools
import pathlib
import re
import sys
import time

import attacks
import seeds
from attacks import NEIGHBOUR, OWNER, VICTIM, Experience, Loot, Slow
from calls import STEP, totp
from factors import me, portal
from load import Load, Target, address
from support import PASSWORD, Client, MailServer, World, smtp

USERS = 2000
# Of how many accounts the right password is in the stuffed list.
LEAKED = 20
ATTACKERS = 24
GUARDED = "guarded@example.com"


@dataclasses.dataclass
class Found:
    """What came of an attack: for whom, and how large the server got."""

    loot: Loot
    home: Experience
    abroad: Experience
    beside: Experience
    seconds: float
    rest: float
    peak: float
    # What the attacker has in the end.
    prey: str = "nothing"


class Ground:
    """A server with its defaults, two tenants, and the people in them."""

    def __init__(self, world, scale):
        self.world, self.scale = world, scale
        self.mail = MailServer()
        self.server = world.server({"MAIL__SMTP_URL": smtp(self.mail), "TRUSTED_PROXIES": "127.0.0.1", "LIMITS__ENABLED": "true", "LOG__FILTER": "error"})
        self.server.tenant(VICTIM).tenant(NEIGHBOUR)
        seeds.users(self.server, VICTIM, USERS)
        seeds.users(self.server, NEIGHBOUR, 50)
        self.server.user(OWNER).user(GUARDED).start()
        self.target = Target(self.server.base)
        self.cookie = self.know_the_owner()

    def know_the_owner(self):
        """Signs the owner in at home; the cookie that his device has from then on."""
        client = Client(self.server.base)
        client.opener.addheaders = [("X-Forwarded-For", attacks.KNOWN)]
        assert client.api("login", VICTIM, email=OWNER, password=PASSWORD).data["status"] == "success"
        return "; ".join(f"{it.name}={it.value}" for it in client.jar if "device" in it.name)

    def guard(self):
        """Gives an account an authenticator app."""
        token = portal(self.server, "login", email=GUARDED, password=PASSWORD, tenant_id=VICTIM).data["access_token"]
        offer = me(self.server, token, "POST", "/mfa/totp/setup").data
        code = totp(offer["secret"], int(time.time()) // STEP - 1)
        me(self.server, token, "POST", "/mfa/totp/confirm", code=code).data

    def memory(self, field):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status).group(1)) / 1024

    def under(self, attackers, loot, seconds):
        """Lets attackers and people act for so long, or until the attackers have done all."""
        pathlib.Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")
        rest = self.memory("VmRSS")
        home, abroad, beside = Experience("home"), Experience("abroad"), Experience("beside")
        load = Load(self.target, seconds)
        for people in (attacks.owner_at_home(self.target, home, self.cookie), attacks.owner_abroad(self.target, abroad), attacks.neighbour(self.target, beside)):
            load.add(people, is_waited_for=False)
        for attacker in attackers:
            load.add(attacker)
        took = load.run()
        return Found(loot, home, abroad, beside, took, rest, self.memory("VmHWM"))

    def mails(self, recipient, words=""):
        return [it for it in self.mail.to(recipient) if words in it.text]


# The attacks, each at a scale.


def nobody_attacks(ground):
    """For comparison."""
    return ground.under([attacks.neighbour(ground.target, Experience("one more"))], Loot(), 5)


def stuff(ground):
    """Pairs from elsewhere, a few of them right; the owner's address is among them, with wrong passwords."""
    number, addresses = int(5000 * ground.scale), max(20, int(50 * ground.scale))
    loot = Loot()

    def pairs():
        for each in range(number):
            if each % 100 == 7:
                yield each, (OWNER, f"leaked {each}")
            elif each % 250 == 9 and each // 250 < LEAKED:
                yield each, (seeds.person(each // 250), PASSWORD)
            else:
                yield each, (seeds.person(LEAKED + each % (USERS - LEAKED)), f"leaked {each}")

    source = pairs()
    found = ground.under([attacks.stuffing(ground.target, source, addresses, loot) for _ in range(ATTACKERS)], loot, 40 * max(1, ground.scale))
    leaked = {seeds.person(it) for it in range(LEAKED)}
    assert loot.entered <= leaked, f"entered without its password: {loot.entered - leaked}"
    found.prey = f"{len(loot.entered)} of the {LEAKED} accounts whose password was in the list"
    worst, judged = loot.judged.most_common(1)[0]
    # Those that were under way at the same moment were not counted yet.
    assert judged <= 60 + ATTACKERS, f"{judged} passwords were judged from {worst}"
    return found


def table(seconds):
    """How many guesses at one account may be judged in this time: five, then one after each wait."""
    waits = itertools.accumulate([1, 2, 4, 8, 16, 60, 120, 240, 480])
    return 5 + sum(1 for it in waits if it <= seconds + 1)


def guess(ground):
    """One account, one guess after another, never twice from one address."""
    loot = Loot()
    seconds = 10 * max(1, ground.scale)
    found = ground.under([attacks.guessing(ground.target, loot, 1000, 0.1) for _ in range(4)], loot, seconds)
    judged = loot.judged[OWNER]
    # Four for nothing; then one after 1, 2, 4 and 8 seconds, and so on.
    most = 4 + 1 + sum(1 for it in itertools.accumulate([1, 2, 4, 8, 16, 60, 120, 240, 480]) if it <= found.seconds + 1)
    found.prey = f"{judged} guesses judged of {sum(loot.results.values())}"
    assert judged <= most, f"{judged} guesses were judged in {found.seconds:.0f} s, {most} may be"
    held = sum(loot.results[it] for it in ("too_many_attempts", "captcha_required"))
    assert held > judged, f"{loot}: hardly anybody was held back"
    return found


def register(ground):
    """Made-up people, and one real address among them."""
    loot, numbers = Loot(), iter(range(int(600 * ground.scale)))
    addresses = max(20, int(50 * ground.scale))
    found = ground.under([attacks.registering(ground.target, numbers, addresses, loot) for _ in range(ATTACKERS)], loot, 40 * max(1, ground.scale))
    mails = ground.mails("wanted@example.net")
    found.prey = f"{len(mails)} mails to one address, {len(ground.mail.mails)} in all"
    assert len(mails) <= 10, f"{len(mails)} mails to one address"
    return found


def forget(ground):
    """Reset mails for the owner and for everybody."""
    loot, numbers = Loot(), iter(range(int(1000 * ground.scale)))
    found = ground.under([attacks.forgetting(ground.target, numbers, 50, loot) for _ in range(ATTACKERS)], loot, 30 * max(1, ground.scale))
    mails = ground.mails(OWNER, "reset-password")
    found.prey = f"{len(mails)} mails to the owner, {len(ground.mail.mails)} in all"
    assert len(mails) <= 3, f"{len(mails)} reset mails to the owner"
    return found


def guess_codes(ground):
    """Knows the password; guesses the code, step after step."""
    loot = Loot()
    ground.guard()
    found = ground.under([attacks.code_guessing(ground.target, loot, GUARDED, 1000) for _ in range(4)], loot, 8 * max(1, ground.scale))
    assert not loot.entered, "a code was guessed"
    most = 4 + 1 + 4 + sum(1 for it in itertools.accumulate([1, 2, 4, 8, 16, 60, 120, 240, 480]) if it <= found.seconds + 1)
    found.prey = f"{loot.judged[GUARDED]} codes judged"
    assert loot.judged[GUARDED] <= most, f"{loot.judged[GUARDED]} codes were judged, {most} may be"
    return found


def hold(ground):
    """Bodies that never come."""
    number = int(200 * min(4, ground.scale))
    slow = Slow(ground.target, number, 30)
    slow.start()
    found = ground.under([attacks.neighbour(ground.target, Experience("one more"))], Loot(), 24)
    slow.join()
    found.loot.results["connections ended by the server"] = slow.ended
    assert slow.ended == number, f"{slow.ended} of {number} slow connections were ended"
    assert max(slow.lived) < 28, f"a slow body was waited for {max(slow.lived):.0f} s"
    return found


def swell(ground):
    """Bodies of a megabyte."""
    loot, numbers = Loot(), iter(range(int(400 * ground.scale)))
    found = ground.under([attacks.huge(ground.target, numbers, 50, loot) for _ in range(ATTACKERS)], loot, 20)
    assert set(loot.results) <= {"413", "429", "0"} and loot.results["413"], f"answers to bodies too large: {loot}"
    assert found.peak - found.rest < 64, f"bodies that are too large cost {found.peak - found.rest:.0f} MiB"
    return found


def exhaust(ground):
    """One tenant's sign-ins fill the threads that hash."""
    loot = Loot()
    numbers = itertools.count()
    found = ground.under([attacks.flooding(ground.target, numbers, 1000, loot) for _ in range(4 * ATTACKERS)], loot, 10 * max(1, ground.scale))
    return found


ATTACKS = {
    "nobody attacks": nobody_attacks,
    "credential stuffing": stuff,
    "guessing one password": guess,
    "flood of registrations": register,
    "flood of resets": forget,
    "guessing a code": guess_codes,
    "slow bodies": hold,
    "huge bodies": swell,
    "flood of hashes at one tenant": exhaust,
}


def held_against(ground, name):
    """One attack, and the facts that hold under each."""
    found = ATTACKS[name](ground)
    assert found.home.tries and found.home.entered == found.home.tries, f"{name}: the owner at home got in {found.home}"
    assert found.beside.entered == found.beside.tries, f"{name}: people of another tenant got in {found.beside}"
    assert not [it for it in (found.loot, found.home, found.abroad, found.beside) if it.results["internal_error"]], f"{name}: a fault of ours"
    assert ground.server.process.poll() is None, f"{name}: the server has ended"
    return found


def one(world, *names):
    """Each on a server of its own: what the one sets off would hold the next back."""
    for name in names:
        ground = Ground(world, world.length)
        held_against(ground, name)
        ground.server.stop()
        ground.mail.close()


def test_stuffing_and_guessing(world):
    one(world, "credential stuffing", "guessing one password", "guessing a code")


def test_floods(world):
    one(world, "flood of registrations", "flood of resets", "flood of hashes at one tenant")


def test_bodies(world):
    one(world, "slow bodies", "huge bodies")


def test_load_goes_to_this_machine_only(_):
    for url in ("http://192.0.2.1/", "http://example.com/", "https://127.0.0.1/", "http://0.0.0.0/"):
        try:
            Target(url)
        except ValueError:
            continue
        raise AssertionError(f"load would go to {url}")
    assert address(999) == "10.0.3.231" and Target("http://localhost:8080/x").place == ("127.0.0.1", 8080)


def report(rows):
    head = ["attack", "seconds", "answers", "what the attacker has", "owner, known device", "owner, new device", "people of another tenant", "MiB at rest / at most"]
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head)]]
    for name, it in rows:
        cells = [name, f"{it.seconds:.0f}", str(it.loot), it.prey, str(it.home), str(it.abroad), str(it.beside), f"{it.rest:.0f} / {it.peak:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description="Attacks a server of its own and tells what came of it.")
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--scale", type=float, default=1)
    arguments.add_argument("--only", nargs="*", default=list(ATTACKS), help="some of: " + ", ".join(ATTACKS))
    arguments.add_argument("--out")
    given = arguments.parse_args()
    rows, broken = [], []
    for name in given.only:
        # Each on a server of its own, so that no count of the one is met by the next.
        world = World(str(pathlib.Path(given.binary).resolve()), None)
        try:
            ground = Ground(world, given.scale)
            found = ATTACKS[name](ground)
            rows.append((name, found))
            print(f"{name}: {found.loot}; owner {found.home}; abroad {found.abroad}; beside {found.beside}", file=sys.stderr)
        except AssertionError as fault:
            broken.append(f"{name}: {fault}")
        finally:
            world.close()
    text = "\n\n".join([report(rows), *broken])
    print(text)
    if given.out:
        pathlib.Path(given.out).write_text(text + "\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
