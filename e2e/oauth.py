"""What the scenarios of applications share: a tenant with applications, and the clients of
clients/package.json, which node runs."""

import json
import pathlib
import re
import shutil
import subprocess

from support import PASSWORD, Skip

GRACE = "grace@example.com"
CLIENTS = pathlib.Path(__file__).parent / "clients"
REDIRECT = "https://app.example.com/callback"


def server(world, settings=None):
    """A server that runs, with a tenant and its user."""
    return world.server(settings).tenant().user(GRACE).start()


def issuer(server, tenant="acme"):
    shown = json.loads(server.command("--json", "tenant", "show", tenant))
    return f"{server.base}/tenants/{shown['id']}"


def app(server, name, kind, tenant="acme", **metadata):
    """Makes an application; its `client_id` and its `client_secret`. Without a tenant it is the platform's."""
    owner = ["--tenant", tenant] if tenant else ["--global"]
    arguments = ["app", "create", *owner, "--type", kind, "--name", name, "--metadata", "-"]
    made = json.loads(server.command("--json", *arguments, given=json.dumps(metadata)))
    return {"client_id": made["client_id"], "client_secret": made["client_secret"]}


def installed():
    """Sees to it that the clients are there, in the versions of the lock file."""
    if not shutil.which("npm"):
        raise Skip("no npm")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    if int(re.search(r"\d+", version).group(0)) < 20:
        raise Skip(f"node {version.strip()} is too old for the clients")
    there = CLIENTS / "node_modules" / ".package-lock.json"
    if not there.exists() or there.stat().st_mtime < (CLIENTS / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=CLIENTS, check=True)
        there.touch()


def node(script, *arguments, **given):
    """Runs a script of the clients; what it printed."""
    command = ["node", str(CLIENTS / script), *arguments]
    ran = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, f"{script}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def keys(algorithm):
    """A key pair of an application: the private half and the public one, as JWK."""
    pair = json.loads(node("keys.mjs", algorithm))
    return pair["private"], pair["public"]


def person(tenant="acme"):
    return {"tenant": tenant, "email": GRACE, "password": PASSWORD}
