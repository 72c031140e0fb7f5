"""The disk is full: a clear error, nothing half done, and all works when there is space again."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess

from support import Skip


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def until_full(server):
    """Registers until the disk is full: the refusal, and how often it went well."""
    for number in range(400):
        answer = server.client().register(f"p{number}@example.com")
        if answer.status != 200:
            return answer, number
    raise AssertionError("the disk never filled up")


def scenario(world, disk):
    server = world.server(data=disk / "data").tenant().user().start()
    fill(disk / "ballast")
    full, number = until_full(server)
    assert full.status == 503 and full.json["code"] == "storage_full", full.text
    assert int(full.headers["Retry-After"]) >= 1
    signing_in = server.client().login("grace@example.com")
    assert signing_in.status in (200, 503), signing_in.text
    assert server.client().get("/health/live").status == 200

    (disk / "ballast").unlink()
    assert server.client().register(f"p{number}@example.com").status == 200
    assert server.client().login("grace@example.com").data["status"] == "success"
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(disk / "data" / "countersign.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        registrations = database.execute("SELECT count(*) FROM registrations").fetchone()[0]
        assert registrations == number + 1, f"{registrations} rows of {number + 1} acknowledged registrations"
    verdict = server.command("audit", "verify", "--all")
    assert "whole" in verdict and "broken" not in verdict, verdict


@contextlib.contextmanager
def small_disk(world, size):
    """A file system of this size, on which servers may run."""
    disk = pathlib.Path(world.folder) / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        raise Skip(f"a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        world.end_processes()
        subprocess.run(["umount", str(disk)], check=True)
        assert not os.path.ismount(disk)


def test_on_a_small_disk(world):
    with small_disk(world, "16m") as disk:
        scenario(world, disk)
