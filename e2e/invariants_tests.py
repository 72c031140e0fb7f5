"""The judge is judged: for each rule a history that is good and one that breaks it."""

import inspect
import pathlib
import tempfile

import history
import invariants


class Story:
    """A history that is told call by call, a second apart."""

    def __init__(self):
        self.calls, self.now = [], 1000.0

    def add(self, kind, outcome="acknowledged", account="a", after=1.0, **facts):
        self.now += after
        self.calls.append({"kind": kind, "account": account, "start": self.now, "end": self.now + 0.1, "outcome": outcome, **facts})
        return self

    def together(self):
        """The last two calls happened at the same time."""
        self.calls[-1].update(start=self.calls[-2]["start"], end=self.calls[-2]["end"])
        return self

    def account(self, password="old"):
        self.add("register", password=password).add("mail", page="verify-email", id="m1", got="v1")
        return self.add("verify", spent="v1")

    def login(self, password="old", outcome="acknowledged", **facts):
        return self.add("login", outcome, password=password, **facts)

    def opened(self):
        return self.account().login(session="s1", got="r1")

    def reset_mail(self, number=1):
        return self.add("forgot").add("mail", page="reset-password", id=f"f{number}", got=f"t{number}")

    def guesses(self, number, after=1.0):
        for each in range(number):
            self.login(f"wrong {each}", "refused", after=after)
        return self


def good(story, **more):
    story.calls.append({"kind": "fault", "account": "", "start": 0.0, "end": 0.0, "what": "killed long before"})
    found = invariants.violations(story.calls, **more)
    assert not found, "\n".join(map(str, found))


def bad(story, sentence, **more):
    found = invariants.violations(story.calls, **more)
    assert [it for it in found if sentence in it.sentence], f"{sentence!r} was not found, but {[it.sentence for it in found]}"
    assert all(it.lines for it in found), "a violation without its lines"


def test_one_time_things(_):
    for kind in ("reset", "factor", "code", "passkey"):
        good(Story().add(kind, spent="x", password="p").add(kind, "refused", spent="x", password="q"))
        good(Story().add(kind, "unknown", spent="x", password="p").add(kind, spent="x", password="q"))
        bad(Story().add(kind, spent="x", password="p").add(kind, spent="x", password="q"), "worked 2 times")
    bad(Story().add("factor", spent="x", step="s").add("factor", spent="y", step="s"), "second step was completed 2 times")
    good(Story().add("verify", spent="x").add("verify", "repeated", spent="x"))
    good(Story().add("verify", "unknown", spent="x").add("verify", "repeated", spent="x"))
    bad(Story().add("verify", "refused", spent="x").add("verify", "repeated", spent="x"), "done by nobody")


def test_refresh_tokens(_):
    good(Story().add("refresh", spent="r1", got="r2").add("refresh", spent="r1", got="r2"))
    bad(Story().add("refresh", spent="r1", got="r2").add("refresh", spent="r1", got="r3"), "two successors")
    good(Story().opened().add("refresh", session="s1", spent="r1", got="r2").add("refresh", session="s1", spent="r2", got="r3"))
    bad(Story().opened().add("refresh", "refused", session="s1", spent="r1"), "a session is lost")
    bad(Story().opened().add("refresh", session="s1", spent="r1", got="r2").add("refresh", "refused", session="s1", spent="r2"), "a session is lost")
    lost_answer = Story().opened().add("refresh", "unknown", session="s1", spent="r1")
    good(lost_answer.add("refresh", "refused", session="s1", spent="r1", after=20).add("use", "refused", session="s1"))
    shown_again = Story().opened().add("refresh", session="s1", spent="r1", got="r2").add("refresh", "refused", session="s1", spent="r1", after=20)
    good(shown_again.add("refresh", "refused", session="s1", spent="r2"))
    bad(shown_again.add("use", session="s1"), "had ended was used")
    at_once = Story().opened().add("refresh", session="s1", spent="r1", got="r2").add("refresh", session="s1", spent="r1", got="r2").together()
    good(at_once.add("refresh", session="s1", spent="r2", got="r3").add("use", session="s1"))


def test_passwords(_):
    good(Story().account().login().login("other", "refused"))
    bad(Story().account().login("old", "refused"), "that was set is refused")
    bad(Story().account().login("never set"), "replaced, or never set")
    bad(Story().add("create", password="old").login("old", "refused"), "that was set is refused")
    changed = {"spent": "t1", "password": "new"}
    good(Story().account().reset_mail().add("reset", **changed).login("new").login("old", "refused"))
    bad(Story().account().reset_mail().add("reset", **changed).login("old"), "replaced, or never set")
    bad(Story().account().reset_mail().add("reset", **changed).login("new", "refused"), "that was set is refused")
    bad(Story().account().add("change", password="new", session="s1").login("old"), "replaced, or never set")
    good(Story().account().reset_mail().add("reset", "refused", **changed).login("old").add("reset", spent="t1", password="new"), without=[invariants.lost_resets])


def test_a_change_that_nobody_knows_of_is_either_but_not_both(_):
    def story():
        return Story().account().reset_mail().add("reset", "unknown", spent="t1", password="new")

    good(story().login("old"))
    good(story().login("new"))
    good(story().login("old", "refused").login("new"))
    # It was still under way.
    good(story().login("old").login("new"))
    bad(story().login("new").login("old"), "replaced, or never set")
    bad(story().login("old", after=60).login("new"), "replaced, or never set")
    bad(story().login("new").login("new", "refused"), "that was set is refused")


def test_a_token_that_is_raced_for(_):
    story = Story().account().reset_mail().add("reset", spent="t1", password="x").add("reset", "refused", spent="t1", password="y").together()
    good(story.login("x").login("y", "refused"))
    bad(story.login("y"), "replaced, or never set")
    unknown = Story().account().reset_mail().add("reset", "unknown", spent="t1", password="y").add("reset", spent="t1", password="x").together()
    bad(unknown.login("y"), "replaced, or never set")


def test_sessions(_):
    good(Story().opened().add("use", session="s1").add("end", session="s1").add("use", "refused", session="s1"))
    bad(Story().opened().add("use", "refused", session="s1"), "a session is lost")
    bad(Story().opened().add("end", session="s1").add("use", session="s1"), "had ended was used")
    good(Story().opened().add("end", "unknown", session="s1").add("use", session="s1"))
    good(Story().opened().add("end", "unknown", session="s1").add("use", "refused", session="s1"))
    ended = Story().opened().reset_mail().add("reset", spent="t1", password="new")
    bad(ended.add("use", session="s1"), "had ended was used")
    good(Story().opened().add("change", password="new", session="s1").add("use", session="s1"))
    bad(Story().opened().add("change", password="new", session="s2").add("use", session="s1"), "had ended was used")
    bad(Story().add("factor", spent="x", session="s1").add("use", "refused", session="s1"), "a session is lost")


def test_failures_go_on_counting(_):
    good(Story().account().guesses(5).login("old", after=1.5))
    good(Story().account().guesses(5).login("wrong", "throttled", after=0.2))
    bad(Story().account().guesses(5).login("wrong", "refused", after=0.2), "after 5 wrong passwords")
    bad(Story().account().guesses(5).login("old", after=0.2), "after 5 wrong passwords")
    bad(Story().account().guesses(5).guesses(1, after=1.5).login("old", after=1.2), "after 6 wrong passwords")
    good(Story().account().guesses(4).login("old").guesses(4).login("old"))
    # The right password, whose answer was lost, may have set the count back.
    good(Story().account().guesses(4).login("old", "unknown").guesses(4))
    bad(Story().account().guesses(4).login("wrong", "unknown").guesses(1).login("wrong", "refused", after=0.2), "after 5 wrong passwords")


def test_counters(_):
    def shown(*counters, method="totp"):
        story = Story()
        for counter in counters:
            story.add("factor", spent=f"{counter}", method=method, counter=counter)
        return story

    good(shown(5, 6, 9))
    bad(shown(5, 7, 6), "the counter of totp went back")
    bad(shown(5, 7, 6, method="passkey"), "the counter of passkey went back")
    good(Story().add("factor", method="totp", counter=6, spent="6").add("factor", "refused", method="totp", counter=5, spent="5"))


def test_mails_and_what_they_lead_to(_):
    good(Story().account())
    bad(Story().add("register", password="p"), "1 mails for register were promised, 0 arrived")
    good(Story().add("register", "unknown", password="p"))
    bad(Story().account().add("forgot"), "1 mails for forgot were promised, 0 arrived")
    bad(Story().account().reset_mail().reset_mail(), "2 mails for forgot were promised, 1 arrived")
    again = Story().account().add("mail", page="verify-email", id="m1", got="v1")
    bad(again, "a mail was sent again")
    again.calls.append({"kind": "fault", "account": "", "start": again.calls[1]["start"] + 0.5, "end": 0.0, "what": "killed [1]"})
    good(again)
    bad(again.add("mail", page="verify-email", id="m1", got="v1"), "a mail was sent again")
    good(Story().account().add("mail", "unknown", page="verify-email", id="m1", got="v1"))
    bad(Story().add("register", password="p").add("verify", "refused", spent="v1"), "prove an address is refused")
    bad(Story().account().reset_mail().add("reset", "refused", spent="t1", password="new"), "set a password is refused")
    voided = Story().account().reset_mail().reset_mail(2).add("reset", spent="t2", password="new")
    good(voided.add("reset", "refused", spent="t1", password="newer"))


def test_faults_and_the_audit_trail(_):
    good(Story().login(outcome="unknown", status=503).add("audit"))
    bad(Story().login(outcome="unknown", status=500), "a fault of its own")
    bad(Story().add("audit", "refused"), "the audit trail is broken")


def test_every_rule_is_judged(_):
    """A rule that is defined and not in the list would never be asked."""
    rules = {it for _, it in inspect.getmembers(invariants, inspect.isgeneratorfunction) if list(inspect.signature(it).parameters) == ["calls"]}
    assert rules == set(invariants.RULES) | {invariants.spent}, rules ^ set(invariants.RULES)


def test_a_history_is_read_back_as_it_was_written_and_holds_no_secret(_):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "history"
        written = history.History(path)
        written.add("reset", "a", 1.0, outcome="acknowledged", spent=history.digest("secret"), got=None)
        written.close()
        read = history.read(path)
        assert read == written.records and "got" not in read[0], read
        assert "secret" not in path.read_text()
    assert [history.outcome(it) for it in (200, 401, 429, 500, 503, 0)] == ["acknowledged", "refused", "throttled", "unknown", "unknown", "unknown"]
