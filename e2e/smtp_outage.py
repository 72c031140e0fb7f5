"""The mail server is away: requests succeed, and the mail goes out once when it is back."""

import time

from support import MailServer, free_port, wait_for


def test_mail_waits_for_its_server(world):
    port = free_port()
    server = world.server({"MAIL__SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none"}).tenant().start()
    start = time.monotonic()
    assert server.client().register("grace@example.com").status == 200
    assert time.monotonic() - start < 3, "the answer must not wait for the mail server"
    wait_for("a failed try", lambda: '"tries": 1' in server.command("--json", "mail", "list", "--tenant", "acme"))
    mail = MailServer(port)
    received = mail.wait("grace@example.com", seconds=40)
    assert server.client().verify(received.token).data["status"] == "verified"
    wait_for("the row to be settled", lambda: '"sent"' in server.command("--json", "mail", "list", "--tenant", "acme"))
    assert len(mail.to("grace@example.com")) == 1
    mail.close()
