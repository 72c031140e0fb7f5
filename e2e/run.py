#!/usr/bin/env python3
"""Runs the program as people use it: each scenario starts servers of its own.

usage: e2e/run.py --binary PATH [--postgres URL] [SCENARIO ...]
"""

import argparse
import importlib
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support

SCENARIOS = ["journey", "cli", "observation", "shutdown", "smtp_outage", "two_nodes", "pooler", "database_outage", "disk_full", "crash", "browser"]

arguments = argparse.ArgumentParser()
arguments.add_argument("--binary", required=True)
arguments.add_argument("--postgres")
arguments.add_argument("scenario", nargs="*", default=SCENARIOS)
given = arguments.parse_args()

passed = failed = skipped = 0
for name in given.scenario:
    for test, function in sorted(vars(importlib.import_module(name)).items()):
        if not test.startswith("test_"):
            continue
        if "postgres" in test and not given.postgres:
            print(f"skip {name}.{test}: no --postgres")
            skipped += 1
            continue
        world = support.World(str(pathlib.Path(given.binary).resolve()), given.postgres)
        start = time.monotonic()
        try:
            function(world)
            passed += 1
            print(f"ok   {name}.{test} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name}.{test}", flush=True)
            traceback.print_exc()
            for log in sorted(pathlib.Path(world.folder).glob("*.log")):
                lines = [line for line in log.read_text(errors="replace").splitlines() if '"INFO"' not in line]
                print(f"--- {log.name}", *lines[-15:], sep="\n")
        finally:
            world.close()

print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(bool(failed))
