#!/usr/bin/env python3
"""Holds a history against what must be so, whatever broke meanwhile.

usage: e2e/invariants.py HISTORY

An outcome that nobody knows may be either, but not both. Each account has one client that does one
thing after another, except where a token is raced for on purpose; that is what the rules build on.
Each rule yields a sentence and the lines that show it. `invariants_tests` has a good and a bad
history for every one.
"""

import collections
import dataclasses
import sys

import history

# What is under way in the server when its client gives up is over after this many seconds.
LATE = 40
# After so many wrong passwords in a row the account waits so many seconds.
WAITS = {5: 1, 6: 2, 7: 4, 8: 8, 9: 16, 10: 60, 11: 120, 12: 240, 13: 480}
LONGEST_WAIT = 900
# The clocks of the client and of the server are the same one, read at different moments.
SLACK = 0.05

ONCE = {"verify", "reset", "factor", "code", "passkey"}
CHANGES = {"reset", "change"}


@dataclasses.dataclass
class Violation:
    sentence: str
    lines: list

    def __str__(self):
        return "\n".join([self.sentence, *(f"    {line}" for line in self.lines)])


def happened(call):
    return call["outcome"] == "acknowledged"


def may_have_happened(call):
    return call["outcome"] in ("acknowledged", "unknown")


def grouped(calls, name):
    groups = collections.defaultdict(list)
    for call in calls:
        if name in call:
            groups[call[name]].append(call)
    return groups


def nothing_twice(calls):
    """What is good once worked once; a refresh token has one successor."""
    for kind, uses in spent(calls):
        worked = [it for it in uses if happened(it)]
        if kind in ONCE and len(worked) > 1:
            yield Violation(f"{kind}: a thing that is good once worked {len(worked)} times", worked)
        if kind == "refresh" and len({it["got"] for it in worked}) > 1:
            yield Violation("a refresh token has two successors", worked)
    for step, uses in grouped([it for it in calls if it["kind"] == "factor"], "step").items():
        worked = [it for it in uses if happened(it)]
        if len(worked) > 1:
            yield Violation(f"a second step was completed {len(worked)} times", worked)


def spent(calls):
    """The kind and the calls of each thing that was shown."""
    for kind, shown in grouped(calls, "kind").items():
        for uses in grouped(shown, "spent").values():
            yield kind, uses


def nothing_done_by_nobody(calls):
    """What the server calls done before was tried before."""
    for _, uses in spent(calls):
        for call in [it for it in uses if it["outcome"] == "repeated"]:
            if not [it for it in uses if may_have_happened(it) and it["start"] < call["end"]]:
                yield Violation("what was done before was done by nobody", uses)


def passwords(calls):
    """A changed password is the one that works, and no other is."""
    for account, own in grouped(calls, "account").items():
        yield from Passwords().judge([it for it in own if it["kind"] in CHANGES | {"create", "register", "verify", "login"}])


class Passwords:
    """The passwords that may be the right one, as the account's client goes along."""

    def __init__(self):
        self.first, self.possible, self.undecided, self.lines = None, set(), [], []

    def judge(self, calls):
        won = {it["spent"] for it in calls if it["kind"] == "reset" and happened(it)}
        for call in calls:
            self.lines.append(call)
            # Of those that raced for one token, the one that was told so has won.
            lost = call["kind"] == "reset" and not happened(call) and call["spent"] in won
            if call["kind"] == "login":
                yield from self.login(call)
            elif call["kind"] == "create":
                self.possible = {call["password"]}
            elif call["kind"] == "register" and may_have_happened(call):
                self.first = call["password"]
            elif call["kind"] == "verify" and call["outcome"] in ("acknowledged", "repeated"):
                self.possible = self.possible or {self.first}
            elif call["kind"] in CHANGES and may_have_happened(call) and not lost:
                self.change(call)

    def change(self, call):
        if happened(call):
            self.undecided = [it for it in self.undecided if it["end"] > call["start"]]
            self.possible = {call["password"], *(it["password"] for it in self.undecided)}
        elif self.possible:
            self.undecided.append(call)
            self.possible.add(call["password"])

    def login(self, call):
        tried = call["password"]
        if happened(call) and self.possible and tried not in self.possible:
            yield Violation("a password works that was replaced, or never set", list(self.lines))
        if call["outcome"] == "refused" and self.possible == {tried}:
            yield Violation("the password that was set is refused", list(self.lines))
        if happened(call):
            # What this shows not to have happened may yet be under way.
            self.undecided = [it for it in self.undecided if it["end"] + LATE > call["start"] and it["password"] != tried]
            self.possible = {tried, *(it["password"] for it in self.undecided)}


def sessions(calls):
    """A session that was opened is there until something ends it, and then it stays ended."""
    for account, own in grouped(calls, "account").items():
        for session, uses in grouped(own, "session").items():
            opened = next((it for it in uses if it["kind"] in ("login", "factor", "passkey") and happened(it)), None)
            if opened:
                yield from life(opened, [it for it in own if it["start"] >= opened["end"]])


def life(opened, later):
    session = opened["session"]
    ends = [it for it in later if ends_session(it, session, later)]
    uses = [it for it in later if it.get("session") == session and it["kind"] in ("use", "refresh")]
    for use in uses:
        # A token that is refused since it was shown before has ended the session, too.
        before = [it for it in ends if it["end"] <= use["start"] and it["outcome"] in ("acknowledged", "refused")]
        if happened(use) and before:
            yield Violation("a session that had ended was used", [opened, before[0], use])
        excused = [it for it in ends if it["start"] <= use["end"] and it is not use]
        if use["outcome"] == "refused" and not excused and not is_replay(use, later):
            yield Violation("a session is lost", [opened, *[it for it in uses if it["end"] <= use["end"]]])


def ends_session(call, session, calls):
    """Whether this call ends the session, or may have ended it."""
    if call["kind"] == "reset" and may_have_happened(call):
        return True
    if call["kind"] in ("change", "enrol") and may_have_happened(call):
        return call.get("session") != session
    if call["kind"] == "end" and may_have_happened(call):
        return call["session"] == session
    # A token that is shown again after its successor was made takes the session with it.
    is_own = call["kind"] == "refresh" and call.get("session") == session and not happened(call)
    return is_own and call["outcome"] != "throttled" and is_replay(call, calls)


def is_replay(call, calls):
    earlier = [it for it in calls if it["kind"] == "refresh" and it["start"] < call["start"]]
    return call["kind"] == "refresh" and bool([it for it in earlier if it["spent"] == call["spent"] and may_have_happened(it)])


def failures(calls):
    """Wrong passwords go on counting: nobody is judged who ought to wait."""
    for account, own in grouped(calls, "account").items():
        set_ever = {it["password"] for it in own if it["kind"] in CHANGES | {"create", "register"}}
        count, last, lines = 0, None, []
        for call in own:
            if call["kind"] in CHANGES and may_have_happened(call):
                count = 0
            if call["kind"] != "login":
                continue
            lines.append(call)
            if call["outcome"] in ("refused", "acknowledged") and last and call["end"] + SLACK < last["start"] + wait(count):
                yield Violation(f"after {count} wrong passwords one more was judged too early", lines[-12:])
            if happened(call) or call["outcome"] == "unknown" and call["password"] in set_ever:
                count, last = 0, None
            elif call["outcome"] == "refused":
                count, last = count + 1, call


def wait(count):
    return 0 if count < 5 else WAITS.get(count, LONGEST_WAIT)


def counters(calls):
    """The last step of an authenticator app and the count of a passkey never go back."""
    for account, own in grouped(calls, "account").items():
        for method, uses in grouped([it for it in own if happened(it) and "counter" in it], "method").items():
            for before, after in zip(uses, uses[1:]):
                if before["end"] <= after["start"] and after["counter"] <= before["counter"]:
                    yield Violation(f"the counter of {method} went back", [before, after])


def lost_registrations(calls):
    """A link that was mailed works, unless another one has made the account."""
    for account, own in grouped(calls, "account").items():
        proofs = [it for it in own if it["kind"] == "verify"]
        for call in [it for it in proofs if it["outcome"] == "refused"]:
            if not [it for it in proofs if it is not call and it["outcome"] != "refused" and it["start"] < call["end"]]:
                yield Violation("a mailed link to prove an address is refused", own)


def lost_resets(calls):
    """A link to set a password works, unless it was used or a later change has voided it."""
    for account, own in grouped(calls, "account").items():
        for call in [it for it in own if it["kind"] == "reset" and it["outcome"] == "refused"]:
            arrived = min((it["start"] for it in own if it["kind"] == "mail" and it.get("got") == call["spent"]), default=0)
            others = [it for it in own if it["kind"] in CHANGES and it is not call and may_have_happened(it)]
            if arrived and not [it for it in others if it["end"] >= arrived - LATE and it["start"] <= call["end"]]:
                yield Violation("a mailed link to set a password is refused", own)


def lost_mails(calls):
    """Each mail that was promised has arrived."""
    for account, kind, promised, arrived in missing_mails(calls):
        own = [it for it in calls if it["account"] == account]
        yield Violation(f"{promised} mails for {kind} were promised, {arrived} arrived", own)


def missing_mails(calls):
    """Where fewer mails have arrived than were promised: account, kind, and both numbers."""
    missing = []
    for account, own in grouped(calls, "account").items():
        for kind, page in (("register", "verify-email"), ("forgot", "reset-password")):
            promised = len([it for it in own if it["kind"] == kind and happened(it)])
            arrived = len({it["id"] for it in own if it["kind"] == "mail" and it["page"] == page and happened(it)})
            if arrived < promised:
                missing.append((account, kind, promised, arrived))
    return missing


def mails_again(calls, kills):
    """A mail that was taken is not sent again, but where its sender was killed before he could note it."""
    for number, mails in grouped([it for it in calls if it["kind"] == "mail"], "id").items():
        taken = [it for it in mails if happened(it)]
        for before, after in zip(taken, taken[1:]):
            if not [it for it in kills if before["start"] - SLACK <= it["start"] <= after["start"]]:
                yield Violation("a mail was sent again", taken)


def faults(calls):
    """No fault of ours, and the audit trail is whole."""
    for call in calls:
        if call.get("status") == 500:
            yield Violation("the server had a fault of its own", [call])
        if call["kind"] == "audit" and not happened(call):
            yield Violation("the audit trail is broken", [call])


RULES = [nothing_twice, nothing_done_by_nobody, passwords, sessions, failures, counters, lost_registrations, lost_resets, lost_mails, faults]


def violations(records, without=()):
    """All that is wrong with a history; `without` are rules that do not apply."""
    # What the scenario broke is there for readers, but for one: whoever was killed could note nothing more.
    calls = sorted([it for it in records if it["kind"] != "fault"], key=lambda it: (it["start"], it["end"]))
    kills = [it for it in records if it["kind"] == "fault" and it["what"].startswith("killed")]
    found = [it for rule in RULES if rule not in without for it in rule(calls)]
    return found + list(mails_again(calls, kills))


def main():
    found = violations(history.read(sys.argv[1]))
    print(*found, f"{len(found)} violations", sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
