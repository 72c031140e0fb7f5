#!/usr/bin/env python3
"""Keeps a server busy for a long time and tells once a minute what memory it holds.

usage: e2e/soak.py --binary PATH [--seconds S] [--pace PER_SECOND]

A person signs in, strangers fail to, each under another address and from another network, a program
asks for tokens and has them looked at, and browsers open the sign-in page in every language. Where
memory were kept for each of them, it would show.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse

import load

LANGUAGES = ["en", "de", "fr", "es", "ja", "ar"]
API = "/api/v1/auth/tenants/acme"


def paced(requests, pace, figures):
    """Sends one request after another, so many a second."""
    for request in requests:
        begun = time.perf_counter()
        figures.add((yield request))
        yield load.Pause(max(0.0, 1 / pace - (time.perf_counter() - begun)))


def person(target, user):
    while True:
        yield target.post(f"{API}/login", {"email": user["email"], "password": user["password"]}, "192.0.2.7")


def strangers(target):
    number = 0
    while True:
        number += 1
        body = {"email": f"nobody{number}@example.com", "password": f"guess {number} of many"}
        yield target.post(f"{API}/login", body, load.address(number))


def browsers(target):
    number = 0
    while True:
        number += 1
        said = [("Accept-Language", LANGUAGES[number % len(LANGUAGES)]), ("X-Forwarded-For", load.address(number))]
        yield target.request("GET", "/t/acme/login", headers=said)


def program(target, service, pace, figures):
    own = {"client_id": service["client_id"], "client_secret": service["client_secret"]}

    def form(endpoint, more):
        body = urllib.parse.urlencode({**own, **more}).encode()
        return target.request("POST", f"{API}/oauth/{endpoint}", body, load.FORM, [("X-Forwarded-For", "192.0.2.9")])

    while True:
        answer = figures.add((yield form("token", {"grant_type": "client_credentials"})))
        if answer.status == 200:
            figures.add((yield form("introspect", {"token": answer.json["access_token"]})))
        yield load.Pause(1 / pace)


def resident(process):
    """MiB that the process holds: in all, and without what it only maps from files."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(found[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))


def watcher(process, every):
    """An actor that asks for nothing and tells what the process holds."""
    start = time.monotonic()
    while True:
        whole, own = resident(process)
        print(f"{(time.monotonic() - start) / 60:5.1f} min  {whole:6.1f} MiB resident, {own:6.1f} of its own", flush=True)
        yield load.Pause(every)


def main():
    arguments = argparse.ArgumentParser(description="Tells what memory a server holds that is kept busy.")
    arguments.add_argument("--binary", required=True, help="the program")
    arguments.add_argument("--seconds", type=float, default=3600)
    arguments.add_argument("--pace", type=float, default=20, help="requests a second of each kind but sign-ins, which are a fifth")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {**os.environ, "COUNTERSIGN_TRUSTED_PROXIES": "127.0.0.1", "COUNTERSIGN_LIMITS__ENABLED": "false"}
        command = [given.binary, "serve", "--demo", "--data", folder, "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            run(process, pathlib.Path(folder) / "demo.json", given)
        finally:
            process.terminate()
            process.wait()


def run(process, told, given):
    while not (told.exists() and told.stat().st_size):
        if process.poll() is not None:
            sys.exit("the server did not start")
        time.sleep(0.1)
    demo = json.loads(told.read_text())
    target = load.Target(demo["base_url"])
    rush = load.Load(target, given.seconds)
    figures = {name: load.Figures() for name in ("person", "strangers", "browsers", "program")}
    slow = given.pace / 5
    rush.add(paced(person(target, demo["user"]), slow, figures["person"]))
    rush.add(paced(strangers(target), slow, figures["strangers"]))
    rush.add(paced(browsers(target), given.pace, figures["browsers"]))
    rush.add(program(target, demo["applications"]["service"], given.pace, figures["program"]))
    rush.add(watcher(process, min(60, given.seconds / 5)), is_waited_for=False)
    rush.run()
    for name, seen in figures.items():
        print(f"{name}: {seen}")


if __name__ == "__main__":
    main()
