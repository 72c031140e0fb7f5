"""The commands as an operator types them."""

import json

from support import PASSWORD


def test_users_and_tenants(world):
    server = world.server()
    assert "registration.enabld" in server.command("tenant", "create", "acme", "--set", "registration.enabld=true", fails=True)
    assert "8 to 256" in server.command("tenant", "create", "acme", "--set", "password_policy.min_length=3", fails=True)
    server.tenant()
    assert "slug taken" in server.command("tenant", "create", "ACME", fails=True)
    user = ["--tenant", "acme", "grace@example.com"]
    names = ["--first-name", "Grace", "--last-name", "Hopper"]
    refused = server.command("user", "create", *user, *names, "--password-stdin", given="short\n", fails=True)
    assert "at least 15 characters" in refused and "short" not in refused.replace("too short", "")
    server.command("user", "create", *user, *names, "--password-stdin", given=PASSWORD + "\n")
    assert "user exists" in server.command("user", "create", *user, *names, fails=True)
    shown = json.loads(server.command("--json", "user", "show", *user))
    assert shown["email"] == "grace@example.com" and shown["email_verified_at"]

    server.start()
    assert server.client().login("grace@example.com").data["status"] == "success"
    sessions = json.loads(server.command("session", "list", *user, "--json"))
    assert len(sessions) == 1
    server.command("session", "end", "--tenant", "acme", sessions[0]["id"])
    assert json.loads(server.command("session", "list", *user, "--json")) == []
    server.command("user", "suspend", *user)
    assert server.client().login("grace@example.com").json["code"] == "account_suspended"
    server.command("user", "activate", *user)
    server.command("user", "set-password", *user, "--password-stdin", given="quite another phrase\n")
    assert server.client().login("grace@example.com").status == 401
    assert server.client().login("grace@example.com", "quite another phrase").status == 200
    server.command("user", "delete", *user, "--yes")
    assert server.client().login("grace@example.com", "quite another phrase").status == 401
    assert "no" in server.command("user", "show", *user, fails=True)
    server.command("tenant", "delete", "acme", "--yes")
    assert server.client().login("grace@example.com").json["code"] == "tenant_not_found"
    assert server.stop() == 0


def test_exit_codes(world):
    server = world.server().tenant().start()
    probe = ["healthcheck", "--url", f"{server.base}/health/ready"]
    assert server.run(*probe).returncode == 0
    server.kill()
    assert server.run(*probe).returncode == 1
    assert server.run("tenant", "show", "nobody").returncode == 1
    assert server.run("tenant", "shwo", "acme").returncode == 2
    assert world.server({"LIMITS__ENABLED": "perhaps"}).run("tenant", "list").returncode == 2
    listed = server.run("tenant", "list", "--json")
    assert listed.stderr == "" and [it["slug"] for it in json.loads(listed.stdout)] == ["acme"], listed


def test_an_imported_hash_is_brought_to_present_strength(world):
    server = world.server().tenant()
    bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"  # of "U*U"
    server.command("user", "create", "--tenant", "acme", "eve@example.com", "--first-name", "E", "--last-name", "E", "--password-hash-stdin", given=bcrypt + "\n")
    server.start()
    assert server.client().login("eve@example.com", "U*V").status == 401
    assert server.client().login("eve@example.com", "U*U").status == 200
    events = server.command("audit", "list", "--tenant", "acme")
    assert events.count("user.password.rehashed") == 1, events
    assert server.client().login("eve@example.com", "U*U").status == 200
    assert server.command("audit", "list", "--tenant", "acme").count("user.password.rehashed") == 1


def test_settings_are_told_without_secrets_and_wrong_ones_refused(world):
    server = world.server({"MASTER_KEY": "ab" * 32, "DATABASE_URL": "postgres://me:hunter2@127.0.0.1/x", "MAIL__SMTP_URL": "smtp://me:hunter2@127.0.0.1"})
    told = server.command("config")
    assert "hunter2" not in told and "abab" not in told and "max_connections" in told, told
    server = world.server({"LIMITS__ENABLD": "true"})
    assert "COUNTERSIGN_LIMITS__ENABLD" in server.command("config", fails=True)
    server = world.server({"LISTEN": "nowhere"})
    assert "LISTEN" in server.command("config", fails=True)
