#!/usr/bin/env python3
"""Sets Countersign beside other servers that do the same, under one load, and prints a table.

usage: benches/peers/run.py --ours PATH [--bench PATH] [--users N] [--seconds S] [--only NAME ...] [--out FILE]

PATH is a release build; --bench is the built benchmark, whose raw rate of Argon2id is then measured
in the same run. Servers are on the first core, load is on the second. Packages are installed by name,
in the versions of the lock files, into folders that git ignores. All of it takes about ten minutes.
"""

import argparse
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

CONNECTIONS = 16
REPEATS = 3
STARTS = 7
# What is asked, and how it is called in the table.
SCENARIOS = {
    "login": "password sign-in",
    "program": "client_credentials",
    "program_hashed": "client_credentials, secret hashed as by default",
    "refresh": "refresh with rotation",
    "userinfo": "userinfo, or who the session's user is",
    "introspection": "introspection",
}


def install():
    """Installs the peers where they are missing or others, and goes on in their Python."""
    python = HERE / ".venv/bin/python"
    wanted = HERE / "requirements.txt"
    done = HERE / ".venv/done"
    if not done.exists() or done.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", HERE / ".venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        done.write_text(wanted.read_text())
    there = HERE / "node_modules/.package-lock.json"
    if not there.exists() or there.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        # Debian's node has its headers here, for the one package that is compiled.
        settings = {"npm_config_nodedir": "/usr"} if pathlib.Path("/usr/include/node/node.h").exists() else {}
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, env={**os.environ, **settings}, check=True)
        there.touch()
    if pathlib.Path(sys.prefix) != HERE / ".venv":
        os.execv(python, [str(python), "-B", *sys.argv])


def tree(root):
    """The processes of a tree."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        parents.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(entry.parent.name))
    found, new = [], [root]
    while new:
        found += new
        new = [child for parent in new for child in parents.get(parent, [])]
    return found


def processor_seconds(root):
    total = 0
    for process in tree(root):
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def mebibytes(root, field):
    total = 0
    for process in tree(root):
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        total += int(found.group(1)) if found else 0
    return total / 1024


class Measured:
    """What a scenario came to."""

    def __init__(self):
        self.rates, self.wall, self.figures, self.half = [], [], None, None

    @property
    def rate(self):
        return statistics.median(self.rates)


def actor(requests, figures, interval):
    """Asks one thing after another; with an interval, no faster than that."""
    from load import Pause

    for request in requests:
        answer = figures.add((yield request))
        if answer.seconds < interval:
            yield Pause(interval - answer.seconds)


def chain(subject, token, figures, interval):
    """Refreshes with the newest token each time; keeps it for the next round."""
    from load import Pause

    while True:
        answer = figures.add((yield subject.refresh(subject.refresh_tokens[token])))
        if answer.status == 200:
            subject.refresh_tokens[token] = json.loads(answer.body)["refresh_token"]
        if answer.seconds < interval:
            yield Pause(interval - answer.seconds)


def endless(subject, scenario, seed):
    chance = random.Random(seed)
    make = getattr(subject, scenario)
    while True:
        yield make(chance.randrange(subject.users))


def once(subject, scenario, seconds, interval=0.0):
    """One run: the figures, what it cost the server, and how long it took."""
    from load import Figures, Load

    figures, load = Figures(), Load(subject.target, seconds)
    for number in range(CONNECTIONS):
        if scenario == "refresh":
            load.add(chain(subject, number, figures, interval))
        else:
            load.add(actor(endless(subject, scenario, f"{seconds} {number}"), figures, interval))
    before = processor_seconds(subject.process.pid)
    took = load.run()
    return figures, processor_seconds(subject.process.pid) - before, took


def measure(subject, scenario, seconds):
    """Warms up, measures, and measures again at half of the load."""
    once(subject, scenario, min(1.5, seconds))
    result = Measured()
    for _ in range(REPEATS):
        figures, spent, took = once(subject, scenario, seconds)
        good = figures.statuses[200]
        wrong = {status: count for status, count in figures.statuses.items() if status != 200}
        if wrong:
            raise RuntimeError(f"{subject.name}, {scenario}: {wrong}")
        result.rates.append(good / spent)
        result.wall.append(good / took)
        if result.figures is None:
            result.figures = figures
        else:
            result.figures.times += figures.times
    if scenario in ("login", "program"):
        result.half, _, _ = once(subject, scenario, seconds, interval=2 * CONNECTIONS / statistics.median(result.wall))
    return result


def check(subject):
    """The tokens are what they are taken for: signed with ES256 and good, and an old one is refused."""
    import jwt

    if hasattr(subject, "program") and hasattr(subject, "keys"):
        found = answer_of(subject, subject.program(0))
        key = jwt.PyJWKClient(subject.keys).get_signing_key_from_jwt(found["access_token"])
        jwt.decode(found["access_token"], key, ["ES256"], options={"verify_aud": False})
    if hasattr(subject, "introspection"):
        found = answer_of(subject, subject.introspection(0))
        if found["active"] is not True:
            raise RuntimeError(f"{subject.name}: the token is not active")
    if hasattr(subject, "refresh"):
        old = subject.refresh_tokens[-1]
        for _ in range(2):
            subject.refresh_tokens[-1] = answer_of(subject, subject.refresh(subject.refresh_tokens[-1]))["refresh_token"]
        if answer_of(subject, subject.refresh(old), refused=True):
            raise RuntimeError(f"{subject.name}: an old refresh token still works")


def answer_of(subject, request, refused=False):
    from load import parsed

    with socket.create_connection(subject.target.place) as client:
        client.sendall(request)
        data = b""
        while not (found := parsed(data)):
            part = client.recv(65536)
            if not part:
                raise RuntimeError(f"{subject.name} hung up")
            data += part
    if refused:
        return found[0] == 200
    if found[0] != 200:
        raise RuntimeError(f"{subject.name}: {found[0]} {found[2][:200]}")
    return json.loads(found[2])


def starts(subject):
    """Milliseconds from the start to the first good answer, median."""
    times = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        subject.start().wait()
        times.append((time.perf_counter() - begun) * 1000)
        subject.stop()
    return statistics.median(times)


def raw_rate(bench):
    """Hashes in a second of one core with nothing around them, as the benchmark tells."""
    if not bench:
        return None
    ran = subprocess.run(["taskset", "-c", "0", bench, "hash"], capture_output=True, text=True, check=True)
    found = re.search(r"raw[^\n]*?([\d.]+) hashes/CPU-s", ran.stdout)
    return float(found.group(1)) if found else None


def examine(subject, given):
    print(f"{subject.name}: fills", file=sys.stderr)
    subject.seed()
    facts = {"start": starts(subject)}
    subject.start().wait()
    try:
        time.sleep(5)
        facts["rest"] = mebibytes(subject.process.pid, "VmRSS")
        subject.prepare()
        check(subject)
        for scenario in [it for it in SCENARIOS if hasattr(subject, it)]:
            facts[scenario] = measure(subject, scenario, given.seconds)
            print(f"  {scenario}: {facts[scenario].rate:.1f}/CPU-s", file=sys.stderr)
        facts["peak"] = mebibytes(subject.process.pid, "VmHWM")
    finally:
        subject.stop()
    return facts


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(rows):
    head, *rest = rows
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, ["---", *["---:"] * (len(head) - 1)], *rest]]
    return "\n".join(lines)


def report(subjects, facts, raw, given):
    ours, others = subjects[0], subjects[1:]
    parts = [f"{given.users:,} users, {CONNECTIONS} connections, {REPEATS} runs of {given.seconds:g} s each, median; for each second of processor time of the server's processes, on one core."]
    if raw:
        share = f", of which a sign-in here reaches {facts[ours]['login'].rate / raw:.0%}" if "login" in facts.get(ours, {}) else ""
        parts.append(f"Raw Argon2id in the same run: {raw:.1f} hashes for each second{share}.")
    rows = [["", *[f"{it.name} {it.version}" for it in subjects]]]
    for scenario, title in SCENARIOS.items():
        if any(scenario in facts[it] for it in subjects):
            rows.append([title, *[cell(facts, it, ours, scenario) for it in subjects]])
    rows.append(["resident at rest / at most, MiB", *[f"{facts[it]['rest']:.0f} / {facts[it]['peak']:.0f}" for it in subjects]])
    rows.append(["start to the first answer, ms", *[f"{facts[it]['start']:.0f}" for it in subjects]])
    parts.append(table(rows))
    parts.append("In brackets: how many times as much this server does.")
    parts.append(table(latencies(subjects, facts)))
    notes = [f"{it.name}: {it.note}." for it in others if it.note]
    return "\n\n".join([*parts, "\n".join(notes)])


def cell(facts, subject, ours, scenario):
    if scenario not in facts[subject]:
        return "–"
    rate = facts[subject][scenario].rate
    mine = facts.get(ours, {}).get("program" if scenario == "program_hashed" else scenario)
    return number(rate) if subject is ours or not mine else f"{number(rate)} ({mine.rate / rate:.1f}×)"


def latencies(subjects, facts):
    rows = [["p50 / p99 in ms", *[it.name for it in subjects]]]
    for scenario in ("login", "program"):
        for title, which in ((f"{SCENARIOS[scenario]}, full load", "figures"), (f"{SCENARIOS[scenario]}, half of it", "half")):
            found = [getattr(facts[it][scenario], which) if scenario in facts[it] else None for it in subjects]
            rows.append([title, *[f"{it.share(0.5):.1f} / {it.share(0.99):.1f}" if it else "–" for it in found]])
    return rows


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    arguments = argparse.ArgumentParser(description="Sets Countersign beside other servers.")
    arguments.add_argument("--ours", required=True, help="the program, a release build")
    arguments.add_argument("--bench", help="the built benchmark, for the raw rate of hashes")
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--seconds", type=float, default=4, help="of each measurement")
    arguments.add_argument("--only", nargs="*", default=[], help="classes of subjects.py, besides ours")
    arguments.add_argument("--out", help="a file for the tables")
    given = arguments.parse_args()
    install()
    import subjects as them

    peers = [them.BetterAuth, them.OidcProvider, them.FastapiUsers, them.Django]
    wanted = [it for it in peers if not given.only or it.__name__ in given.only]
    with tempfile.TemporaryDirectory(prefix="countersign-peers-") as folder:
        subjects = [them.Ours(folder, given.users, free_port(), str(pathlib.Path(given.ours).resolve()))]
        subjects += [it(folder, given.users, free_port()) for it in wanted]
        # The servers have the first core to themselves.
        os.sched_setaffinity(0, {1})
        raw = raw_rate(given.bench)
        facts = {it: examine(it, given) for it in subjects}
    text = report(subjects, facts, raw, given)
    print(text)
    if given.out:
        pathlib.Path(given.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
