#!/usr/bin/env python3
"""Runs the program as people use it: each scenario starts servers of its own.

usage: e2e/run.py --binary PATH [--postgres URL] [--seed N] [--length FACTOR] [SCENARIO ...]

A scenario is a file of this folder without its ending, or one test of it: `cli`,
`crash.test_on_sqlite`. The last line is the count; the exit code is 0 if nothing failed.
"""

import argparse
import importlib
import pathlib
import random
import signal
import sys
import time
import traceback

import support

SCENARIOS = ["journey", "factors", "cli", "observation", "shutdown", "smtp_outage", "two_nodes", "pooler", "database_outage", "disk_full", "invariants_tests", "forwarder_tests", "faults", "abuse", "passkeys", "oauth_node", "oauth_python", "oauth_proxy", "oauth_spa", "oauth_device", "pages_states", "pages_flows", "pages_mail", "pages_awkward", "pages_application", "pages_account"]


def tests(wanted):
    """The tests that a name on the command line means."""
    scenario, _, only = wanted.partition(".")
    for name, function in sorted(vars(importlib.import_module(scenario)).items()):
        if name.startswith("test_") and only in ("", name):
            yield f"{scenario}.{name}", function


def tell(world):
    """Prints the ends of the servers' logs, without their daily business."""
    for log in sorted(pathlib.Path(world.folder).glob("*.log")):
        lines = [line for line in log.read_text(errors="replace").splitlines() if '"INFO"' not in line]
        print(f"--- {log.name}", *lines[-15:], sep="\n", flush=True)


def run(name, function, given):
    """Runs one test; "passed", "failed" or "skipped"."""
    world = support.World(str(pathlib.Path(given.binary).resolve()), given.postgres)
    world.seed, world.length = given.seed, given.length
    start = time.monotonic()
    try:
        if "postgres" in name and not given.postgres:
            raise support.Skip("no --postgres")
        function(world)
        print(f"ok   {name} ({time.monotonic() - start:.1f} s)", *world.notes, flush=True)
        return "passed"
    except support.Skip as reason:
        print(f"SKIP {name}: {reason}", flush=True)
        return "skipped"
    except Exception:
        print(f"FAIL {name} ({time.monotonic() - start:.1f} s)", flush=True)
        traceback.print_exc(file=sys.stdout)
        tell(world)
        return "failed"
    finally:
        world.close()


def main():
    arguments = argparse.ArgumentParser(description="Runs the program as people use it.")
    arguments.add_argument("--binary", required=True, help="the program")
    arguments.add_argument("--postgres", help="a PostgreSQL server where databases may be made")
    arguments.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of what is left to chance")
    arguments.add_argument("--length", type=float, default=1, help="how much longer the scenarios of faults are to last")
    arguments.add_argument("scenario", nargs="*", default=SCENARIOS, help="all where none is named")
    given = arguments.parse_args()
    # Ended from outside, it still ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    print(f"seed {given.seed}", flush=True)
    found = [test for wanted in given.scenario for test in tests(wanted)]
    results = [run(name, function, given) for name, function in found]
    skipped = f", {results.count('skipped')} skipped" if "skipped" in results else ""
    print(f"{results.count('passed')} passed, {results.count('failed')} failed{skipped}")
    sys.exit("failed" in results or not results)


if __name__ == "__main__":
    main()
