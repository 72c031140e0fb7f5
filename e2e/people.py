"""People who use a server that breaks: what they do and are told goes into a history.

Each person has one account after another and does one thing after another with it, chosen by a
seeded generator, so that a run can be made again; now and then the same one-time thing is shown
several times at once, at any node. Nobody gives up when an answer does not come: he goes on with
what he knows, as people do.
"""

import concurrent.futures
import contextlib
import importlib.util
import random
import time
import urllib.parse

from authenticator import Authenticator
from calls import STEP, TENANT, Caller, Walk, near, totp
from history import digest

HAS_PASSKEYS = importlib.util.find_spec("cryptography") is not None
AT_ONCE = 4


class Account:
    """What its owner knows of it."""

    def __init__(self, address, password):
        self.address, self.password = address, password
        self.maybe, self.wrong = [], 0
        self.registered = self.verified = False
        self.asked, self.resets = 0, []
        self.sessions = []
        self.secret, self.step, self.backup = None, 0, []
        self.passkey = None


class Session:
    def __init__(self, data):
        self.id, self.access, self.refresh = data["session_id"], data["access_token"], data["refresh_token"]


def session_or_refusal(data):
    return {"session": data["session_id"]} if data["status"] == "success" else {"outcome": "refused"}


class Person:
    """Somebody with one account after another."""

    def __init__(self, number, seed, history, post, bases):
        self.chance = random.Random(f"{seed}/{number}")
        self.number, self.history, self.post = number, history, post
        self.caller = Caller(history, bases, self.chance)
        self.accounts, self.done = [], 0
        self.patience, self.clock, self.at_once = 3, time.time, AT_ONCE
        self.application = None

    def live(self, stop):
        while not stop.is_set():
            account = Account(f"p{self.number}-{len(self.accounts)}@example.com", self.phrase())
            self.accounts.append(account)
            if self.join(account, stop):
                deeds = [self.refresh] * 4 + [self.use] * 2 + [self.log_in] * 2 + [self.mistype, self.change, self.forget, self.end, self.enrol, self.enrol_passkey, self.use_passkey, self.let_application_in]
                for _ in range(self.chance.randint(4, 20)):
                    if stop.is_set():
                        break
                    self.chance.choice(deeds)(account, stop)
                    self.done += 1

    def phrase(self):
        return f"a phrase that nobody else has {self.chance.getrandbits(48):x}"

    def auth(self, kind, account, endpoint, body, **facts):
        return self.caller.call(kind, account, f"/api/v1/auth/tenants/{TENANT}/{endpoint}", body, **facts)

    def together(self, calls):
        """The same thing several times at once; what came back, in their order."""
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return [done.result() for done in [pool.submit(call) for call in calls]]

    def times(self):
        return self.at_once if self.chance.random() < 0.3 else 1

    # What one does with an account.

    def join(self, account, stop):
        body = {"email": account.address, "password": account.password, "first_name": "Grace", "last_name": "Hopper"}
        record, _ = self.auth("register", account, "register", body, password=digest(account.password))
        account.registered = record["outcome"] == "acknowledged"
        mail = self.wait(account, "verify-email", 1, stop)
        return bool(mail) and self.prove(account, mail[-1].token)

    def prove(self, account, token):
        def read(data):
            return {"outcome": "repeated"} if data["status"] == "already_verified" else {}

        path = f"/api/v1/auth/tenants/{TENANT}/verify-email?token={token}"
        proofs = self.together([lambda: self.caller.call("verify", account, path, spent=digest(token), read=read)] * self.times())
        account.verified = account.verified or any(it["outcome"] in ("acknowledged", "repeated") for it, _ in proofs)
        return account.verified

    def wait(self, account, page, number, stop):
        """The mails of a kind, once there are so many of them."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end and not stop.is_set():
            found = self.mails(account, page)
            if len(found) >= number:
                return found
            time.sleep(0.02)
        return []

    def mails(self, account, page):
        """Each once, the oldest first."""
        return list({it.id: it for it in self.post.to(account.address) if page in it.text}.values())

    def log_in(self, account, stop=None):
        """Signs in with what is, or may be, the password; whether it was right."""
        for password in dict.fromkeys([account.password, *account.maybe]):
            result = self.try_password(account, password)
            if result == "right":
                account.password, account.wrong = password, 0
                return True
            if result != "wrong":
                return False
        return False

    def try_password(self, account, password):
        known = {"password": digest(password)}
        body = {"email": account.address, "password": password, "tenant_id": TENANT}

        def read(data):
            return {"session": data["session_id"], "got": digest(data["refresh_token"])} if data["status"] == "success" else {}

        record, data = self.caller.call("login", account, "/api/v1/auth/login", body, read=read, **known)
        if record["outcome"] == "refused":
            account.wrong += 1
            return "wrong"
        if record["outcome"] != "acknowledged":
            return "unknown"
        if data["status"] == "success":
            account.sessions.append(Session(data))
        elif data["status"] == "mfa_required":
            self.second_step(account, data)
        return "right"

    def second_step(self, account, step):
        """The authenticator app where it has a fresh code, now and then with an old one before; else a backup code."""
        if account.passkey:
            self.show_passkey(account, step)
            return
        newest = int(self.clock()) // STEP + 1
        if account.step and self.chance.random() < 0.3:
            self.show(account, step, "totp", account.step, 1)
        if account.step < newest:
            account.step = max(account.step + 1, newest - 2)
            self.show(account, step, "totp", account.step, self.times())
        elif account.backup:
            self.show(account, step, "backup_code", account.backup.pop(), self.times())

    def show(self, account, step, method, what, times):
        code = totp(account.secret, what) if method == "totp" else what
        body = {"mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": method, "code": code}
        facts = {"method": method, "spent": digest(f"{account.address} {what}"), "step": digest(step["mfa_token"])}
        if method == "totp":
            facts["counter"] = what
        self.complete(account, body, facts, times)

    def show_passkey(self, account, step):
        query = f"?mfa_token={step['mfa_token']}&user_id={step['user_id']}"
        record, begun = self.auth("begin", account, f"mfa/webauthn/begin{query}", {})
        if record["outcome"] != "acknowledged":
            return
        shown = account.passkey.get(begun["options"])
        known = {"mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": "webauthn"}
        body = {**known, "challenge_id": begun["challenge_id"], "credential": shown}
        facts = {"method": "passkey", "counter": account.passkey.count, "spent": digest(begun["challenge_id"])}
        self.complete(account, body, {**facts, "step": digest(step["mfa_token"])}, self.times())

    def complete(self, account, body, facts, times):
        """Completes a second step; with it one is signed in."""
        shown = self.together([lambda: self.auth("factor", account, "mfa/verify", body, read=session_or_refusal, **facts)] * times)
        for record, data in shown:
            if record["outcome"] == "acknowledged" and data.get("access_token"):
                account.sessions.append(Session(data))

    def mistype(self, account, stop=None):
        # The fifth in a row would cost time.
        if account.wrong < 3:
            self.try_password(account, "not what it is")

    def pick(self, account):
        if not account.sessions:
            self.log_in(account)
        return self.chance.choice(account.sessions) if account.sessions else None

    def refresh(self, account, stop=None):
        session = self.pick(account)
        if not session:
            return
        token = session.refresh

        def read(data):
            return {"got": digest(data["refresh_token"])}

        def once():
            facts = {"spent": digest(token), "session": session.id, "read": read}
            return self.caller.call("refresh", account, "/api/v1/auth/refresh", {"refresh_token": token}, **facts)

        for _ in range(5):
            answers = self.together([once] * self.times())
            good = [data for record, data in answers if record["outcome"] == "acknowledged"]
            if good:
                session.access, session.refresh = good[0]["access_token"], good[0]["refresh_token"]
                return
            if any(record["outcome"] == "refused" for record, _ in answers):
                account.sessions.remove(session)
                return
            time.sleep(0.3)

    def use(self, account, stop=None):
        session = self.pick(account)
        if session:
            record, _ = self.caller.call("use", account, "/api/v1/me", bearer=session.access, session=session.id)
            if record["outcome"] == "refused":
                account.sessions.remove(session)

    def end(self, account, stop=None):
        session = self.pick(account)
        if session:
            self.caller.call("end", account, "/api/v1/auth/logout", {}, session.access, session=session.id)
            # Once more, which has to be refused; or not, where nobody knows whether it has ended.
            self.caller.call("use", account, "/api/v1/me", bearer=session.access, session=session.id)
            account.sessions.remove(session)

    def change(self, account, stop=None):
        session = self.pick(account)
        if not session or account.maybe:
            return
        new = self.phrase()
        body = {"current_password": account.password, "new_password": new}
        facts = {"password": digest(new), "session": session.id}
        record, _ = self.caller.call("change", account, "/api/v1/me/password", body, session.access, **facts)
        if record["outcome"] == "acknowledged":
            account.password, account.sessions = new, [session]
        elif record["outcome"] == "unknown":
            account.maybe.append(new)
            account.sessions = []

    def forget(self, account, stop):
        # More than three in an hour are not mailed.
        if account.asked == 3:
            return
        account.asked += 1
        before = len(self.mails(account, "reset-password"))
        self.auth("forgot", account, "forgot-password", {"email": account.address})
        mails = self.wait(account, "reset-password", before + 1, stop)
        if mails and self.chance.random() < 0.8:
            self.reset(account, mails[-1].token)

    def reset(self, account, token):
        """Sets a new password; now and then several at once with one link, of which one can win."""
        phrases = [self.phrase() for _ in range(self.times())]

        def once(phrase):
            facts = {"spent": digest(token), "password": digest(phrase)}
            return self.auth("reset", account, "password/reset", {"token": token, "new_password": phrase}, **facts)

        outcomes = [record["outcome"] for record, _ in self.together([lambda it=it: once(it) for it in phrases])]
        if "acknowledged" in outcomes:
            account.password, account.maybe = phrases[outcomes.index("acknowledged")], []
            account.resets.append(token)
            account.wrong = 0
        elif "unknown" in outcomes:
            account.maybe += [it for it, result in zip(phrases, outcomes) if result == "unknown"]
        if {"acknowledged", "unknown"} & set(outcomes):
            ended, account.sessions = account.sessions, []
            for session in ended[:2]:
                self.caller.call("use", account, "/api/v1/me", bearer=session.access, session=session.id)

    def enrol(self, account, stop=None):
        """An authenticator app; the other sessions end with it."""
        session = self.pick(account)
        if not session or account.secret or account.passkey:
            return
        record, offer = self.caller.call("setup", account, "/api/v1/me/mfa/totp/setup", {}, session.access)
        if record["outcome"] != "acknowledged":
            return
        # The step before: the present one is still good afterwards.
        step = int(self.clock()) // STEP - 1
        facts = {"method": "totp", "counter": step, "session": session.id}
        body = {"code": totp(offer["secret"], step)}
        record, data = self.caller.call("enrol", account, "/api/v1/me/mfa/totp/confirm", body, session.access, **facts)
        if record["outcome"] in ("acknowledged", "unknown"):
            account.secret, account.step = offer["secret"], step
            account.backup, account.sessions = list(data.get("backup_codes", [])), [session]

    def enrol_passkey(self, account, stop=None):
        session = self.pick(account)
        if not HAS_PASSKEYS or not session or account.secret or account.passkey:
            return
        root = "/api/v1/me/mfa/webauthn/register"
        record, begun = self.caller.call("setup", account, f"{root}/begin", {}, session.access)
        if record["outcome"] != "acknowledged":
            return
        made = Authenticator(self.origin)
        body = {"challenge_id": begun["challenge_id"], "credential": made.create(begun["options"]), "name": "In software"}
        record, data = self.caller.call("enrol", account, f"{root}/finish", body, session.access, session=session.id)
        if record["outcome"] in ("acknowledged", "unknown"):
            account.passkey, account.sessions = made, [session]
            account.backup = list(data.get("backup_codes", []))

    def use_passkey(self, account, stop=None):
        """Signs in with it alone; now and then as a copy of it would, which does not know the count."""
        if not account.passkey:
            return
        record, begun = self.auth("begin", account, "passkey/begin", {})
        if record["outcome"] != "acknowledged":
            return
        is_copy = self.chance.random() < 0.2
        count = max(1, account.passkey.count - 1) if is_copy else None
        shown = account.passkey.get(begun["options"], count)
        facts = {"method": "passkey", "counter": count or account.passkey.count, "spent": digest(begun["challenge_id"])}
        body = {"challenge_id": begun["challenge_id"], "credential": shown}
        self.together([lambda: self.auth("passkey", account, "passkey/finish", body, read=session_or_refusal, **facts)] * self.times())

    def let_application_in(self, account, stop=None):
        """Signs in at an application: a code that is good once, now and then shown several times at once."""
        if not self.application or account.secret or account.passkey:
            return
        walk = Walk(self.caller, account)
        code = walk.code(self.application, account.password)
        if not code:
            return
        body = urllib.parse.urlencode({"grant_type": "authorization_code", "code": code, **walk.proof, **self.application}).encode()

        def once():
            return walk.redeem(body, digest(code))

        self.together([once] * self.times())
        # Shown again, it is refused; the application's tokens end with that, and the session does not.
        if self.chance.random() < 0.3:
            once()

    # What everybody does in the end, when all is well again.

    @property
    def origin(self):
        return near(self.caller.bases[0])

    def settle(self):
        """Tries whatever was promised and whatever must not work any more."""
        for account in self.accounts:
            if account.verified:
                self.log_in(account)
                self.use_passkey(account)
                for session in list(account.sessions[-3:]):
                    with contextlib.suppress(ValueError):
                        self.caller.call("use", account, "/api/v1/me", bearer=session.access, session=session.id)
                        self.renew(account, session)
            # Few enough not to count as guessing.
            for token in account.resets[-2:]:
                body = {"token": token, "new_password": "yet another long phrase"}
                self.auth("reset", account, "password/reset", body, spent=digest(token), password=digest(body["new_password"]))

    def renew(self, account, session):
        facts = {"spent": digest(session.refresh), "session": session.id}
        body = {"refresh_token": session.refresh}
        self.caller.call("refresh", account, "/api/v1/auth/refresh", body, read=lambda it: {"got": digest(it["refresh_token"])}, **facts)

    def missing(self):
        """Accounts whose promised mail is not there yet."""
        for account in self.accounts:
            if account.registered and not self.mails(account, "verify-email"):
                yield account

    def settle_late(self, account):
        """Proves an address by a mail that came late."""
        mails = self.mails(account, "verify-email")
        if mails and not account.verified:
            self.prove(account, mails[-1].token)
            self.log_in(account)


class Guesser(Person):
    """Somebody who tries one wrong password after another and does not care that he should wait."""

    def __init__(self, server, seed, history, post, bases):
        super().__init__("guesser", seed, history, post, bases)
        self.account = Account("owner@example.com", self.phrase())
        names = ["--first-name", "Grace", "--last-name", "Hopper", "--password-stdin"]
        start = time.time()
        server.command("user", "create", "--tenant", TENANT, self.account.address, *names, given=self.account.password + "\n")
        history.add("create", self.account.address, start, outcome="acknowledged", password=digest(self.account.password))

    def live(self, stop):
        while not stop.wait(0.3):
            self.try_password(self.account, "a guess that is wrong")

    def settle(self):
        pass
