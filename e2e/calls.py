"""How calls are made on a server that breaks, and how they get into the history."""

import base64
import contextlib
import errno
import hashlib
import hmac
import http.client
import json
import struct
import time
import urllib.parse

from history import digest, outcome
from support import Client, MailServer

TENANT = "acme"
# Seconds for which an authenticator app shows a code.
STEP = 30


def totp(secret, step):
    """The code of an authenticator app (RFC 6238)."""
    mac = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), struct.pack(">Q", step), "sha1")
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class Post(MailServer):
    """A mail server that writes down what arrives; `taken` says whether the sender heard so."""

    def __init__(self, history, **more):
        self.history = history
        super().__init__(**more)

    def arrived(self, mail, taken=True):
        with self.lock:
            self.mails.append(mail)
        page = next((it for it in ("verify-email", "reset-password") if it in mail.text), "another")
        got = digest(mail.token) if page != "another" else None
        result = "acknowledged" if taken else "unknown"
        for address in mail.to:
            self.history.add("mail", address, time.time(), outcome=result, page=page, id=mail.id, got=got)


class Caller:
    """Makes calls at any of the nodes and writes down what became of them."""

    def __init__(self, history, bases, chance, patience=40):
        self.history, self.bases, self.chance, self.patience = history, bases, chance, patience

    def send(self, base, path, body, bearer, address):
        """The status and the answer; status 0 where none came, None where nobody was there to hear."""
        client = Client(base)
        client.opener.addheaders = [("X-Forwarded-For", address)] + ([("Authorization", f"Bearer {bearer}")] if bearer else [])
        kind, data = ("application/json", json.dumps(body).encode()) if body is not None else (None, None)
        try:
            answer = client.send("POST" if body is not None else "GET", path, data, kind, self.patience)
            return answer.status, json.loads(answer.text)
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            reason = getattr(error, "reason", error)
            return (None if getattr(reason, "errno", 0) == errno.ECONNREFUSED else 0), {}

    def call(self, kind, account, path, body=None, bearer=None, read=None, **facts):
        """One call; its record. `read` takes what is to be written down from the answer."""
        base = self.chance.choice(self.bases)
        start = time.time()
        status, answer = self.send(base, path, body, bearer, network(account.address))
        if status is None:
            time.sleep(0.05)
            return {"outcome": "unreached"}, {}
        data = answer.get("data", answer)
        facts["outcome"] = outcome(status)
        if status == 200 and read:
            facts.update(read(data))
        return self.history.add(kind, account.address, start, status=status, code=answer.get("code"), **facts), data


class Walk:
    """A browser that goes from an application to the sign-in and back, without following by itself."""

    proof = {"redirect_uri": "https://app.example.com/callback", "code_verifier": "v" * 43}

    def __init__(self, caller, account):
        self.caller, self.account, self.jar = caller, account, {}
        self.host = urllib.parse.urlsplit(caller.chance.choice(caller.bases)).netloc

    def step(self, method, path, body=None, kind="application/json"):
        """Status, headers and body; status 0 where no answer came."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items()), "X-Forwarded-For": network(self.account.address)}
        if body is not None:
            headers["Content-Type"] = kind
        try:
            connection = http.client.HTTPConnection(self.host, timeout=self.caller.patience)
            with contextlib.closing(connection):
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, {}, ""
        for line in answer.headers.get_all("set-cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.jar[name] = value
        return answer.status, answer.headers, text

    def code(self, application, password):
        """The code that the application is handed, if all goes well."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.proof["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "scope": "openid", "code_challenge": challenge, "code_challenge_method": "S256"}
        asked |= {"client_id": application["client_id"], "redirect_uri": self.proof["redirect_uri"]}
        status, _, _ = self.step("GET", f"/api/v1/auth/tenants/{TENANT}/oauth/authorize?{urllib.parse.urlencode(asked)}")
        if status != 303:
            return None
        start, body = time.time(), json.dumps({"email": self.account.address, "password": password})
        status, _, text = self.step("POST", f"/api/v1/auth/tenants/{TENANT}/login", body)
        data = json.loads(text).get("data", {}) if status == 200 else {}
        facts = {"status": status, "password": digest(password), "session": data.get("session_id")}
        self.caller.history.add("login", self.account.address, start, outcome=outcome(status), **facts)
        if not data.get("redirect_uri"):
            return None
        back = urllib.parse.urlsplit(data["redirect_uri"])
        _, headers, _ = self.step("GET", f"{back.path}?{back.query}")
        landed = urllib.parse.urlsplit(headers.get("location") or "")
        return dict(urllib.parse.parse_qsl(landed.query)).get("code")

    def redeem(self, body, spent):
        """Redeems a code, at any node."""
        start, self.host = time.time(), urllib.parse.urlsplit(self.caller.chance.choice(self.caller.bases)).netloc
        status, _, _ = self.step("POST", f"/api/v1/auth/tenants/{TENANT}/oauth/token", body, "application/x-www-form-urlencoded")
        return self.caller.history.add("code", self.account.address, start, status=status, outcome=outcome(status), spent=spent)


def network(address):
    """Each account comes from a network of its own, so that only its own limits hold for it."""
    number = int(digest(address), 16)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def near(base):
    """The address under which passkeys work without https."""
    return base.replace("127.0.0.1", "localhost")
