"""Two servers on one PostgreSQL: either answers for both, and nothing happens twice."""

import concurrent.futures

from support import PASSWORD, MailServer, smtp, wait_for

KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


def test_two_servers_on_one_postgres(world):
    mail = MailServer()
    settings = {"DATABASE_URL": world.database(), "MASTER_KEY": KEY, "MAIL__SMTP_URL": smtp(mail)}
    nodes = [world.server(settings).start(wait=False) for _ in range(2)]
    for node in nodes:
        wait_for("both nodes to be ready", node.is_ready)
    one, two = nodes
    one.tenant()
    assert one.client().register("grace@example.com").status == 200
    token = mail.wait("grace@example.com").token
    assert two.client().verify(token).data["status"] == "verified"
    assert one.client().verify(token).data["status"] == "already_verified"
    for node in nodes:
        assert node.client().login("grace@example.com").data["status"] == "success"

    before = len(mail.to("grace@example.com"))
    assert two.client().api("password/forgot", email="grace@example.com").status == 200
    wait_for("the reset mail", lambda: any("reset-password" in it.text for it in mail.to("grace@example.com")[before:]))
    token = next(it.token for it in mail.to("grace@example.com")[before:] if "reset-password" in it.text)
    passwords = [f"a phrase that is number {number}" for number in range(50)]

    def reset(number):
        node = nodes[number % 2]
        return node.client().api("password/reset", token=token, new_password=passwords[number]).status

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(reset, range(50)))
    assert statuses.count(200) == 1, statuses
    winner = passwords[statuses.index(200)]
    assert one.client().login("grace@example.com", winner).status == 200
    assert two.client().login("grace@example.com", PASSWORD).status == 401
    ids = [it.id for it in mail.mails]
    assert len(ids) == len(set(ids)), "a mail was sent twice"

    one.command("tenant", "suspend", "acme")
    for node in nodes:
        assert node.client().login("grace@example.com", winner).json["code"] == "tenant_suspended"

    stranger = world.server({**settings, "MASTER_KEY": "ff" * 32})
    assert "another master key" in stranger.command("tenant", "list", fails=True)
    assert "another master key" in stranger.command("serve", "--listen", "127.0.0.1:0", fails=True)
    verdict = one.command("audit", "verify", "--all")
    assert "whole" in verdict and "broken" not in verdict, verdict
    assert [node.stop() for node in nodes] == [0, 0]
    mail.close()
