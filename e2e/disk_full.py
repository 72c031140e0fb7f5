"""The disk is full: a clear error, nothing half done, and all works when there is space again."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess

from support import PASSWORD


def test_on_a_small_disk(world):
    disk = pathlib.Path(world.folder) / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        print(f"not shown here, since a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
        return
    try:
        server = world.server(data=disk / "data").tenant()
        server.command("user", "create", "--tenant", "acme", "grace@example.com", "--first-name", "G", "--last-name", "H", "--password-stdin", given=PASSWORD + "\n")
        server.start()
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        full = None
        for number in range(400):
            answer = server.client().register(f"p{number}@example.com")
            if answer.status != 200:
                full = answer
                break
        assert full is not None, "the disk never filled up"
        assert full.status == 503 and full.json["code"] == "storage_full", full.text
        assert int(full.headers["Retry-After"]) >= 1
        ballast.unlink()
        assert server.client().register(f"p{number}@example.com").status == 200
        assert server.client().login("grace@example.com").data["status"] == "success"
        assert server.stop() == 0
        with contextlib.closing(sqlite3.connect(disk / "data" / "countersign.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        for process in world.processes:
            process.kill()
            process.wait()
        subprocess.run(["umount", str(disk)], check=True)
        assert not os.path.ismount(disk)
