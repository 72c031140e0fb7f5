"""What clients did and what they were told: one line of JSON for each call, in a file that stays
where something is wrong. Secrets are in it as digests only.

A line has `kind`, `account`, `start` and `end` (seconds since 1970), `outcome`, and what the rules
of `invariants` need of that kind:

- `spent`: what was shown that is good once; `got`: what came in its place
- `session`: the session that was opened or used
- `password`: the password that was tried or set
- `counter`: the step of an authenticator app, or the count of a passkey

Outcomes: `acknowledged`, `refused`, `throttled` (not judged at all), `repeated` (done before, says
the server) and `unknown`: no answer came, or one that leaves open whether it was done.
"""

import hashlib
import json
import threading
import time

REFUSED = {400, 401, 403, 404, 409, 422}


def digest(secret):
    """What stands in the history for a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16] if secret else None


def outcome(status):
    """What an answer with this status tells; 0 is no answer."""
    if 200 <= status < 400:
        return "acknowledged"
    if status in REFUSED:
        return "refused"
    return "throttled" if status == 429 else "unknown"


class History:
    def __init__(self, path):
        self.path, self.records, self.lock = path, [], threading.Lock()
        self.file = open(path, "w", buffering=1)

    def add(self, kind, account, start, **facts):
        """Writes down one call that is over, or something that happened."""
        record = {"kind": kind, "account": account, "start": start, "end": time.time(), **facts}
        record = {name: value for name, value in record.items() if value is not None}
        with self.lock:
            # What comes when the judgement is spoken is late.
            if not self.file.closed:
                self.records.append(record)
                self.file.write(json.dumps(record) + "\n")
        return record

    def happened(self, what):
        """Notes a fault that the scenario caused, for whoever reads the history."""
        self.add("fault", "", time.time(), what=what)

    def close(self):
        with self.lock:
            self.file.close()


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]
