#!/usr/bin/env python3
"""Solves a puzzle (ALTCHA, version 1) as a browser does: in a process of its own, beside everything else.

usage: e2e/puzzle.py < CHALLENGE; prints what goes into X-Captcha-Token
"""

import base64
import hashlib
import json
import subprocess
import sys


def solved(challenge):
    """The token for a challenge."""
    salt, wanted = challenge["salt"].encode(), bytes.fromhex(challenge["challenge"])
    for number in range(challenge["maxnumber"] + 1):
        if hashlib.sha256(salt + str(number).encode()).digest() == wanted:
            known = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
            return base64.b64encode(json.dumps({**known, "number": number}).encode()).decode()
    raise ValueError("the puzzle has no answer")


def begun(challenge):
    """A process that solves it; its output is the token."""
    process = subprocess.Popen([sys.executable, "-B", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps(challenge))
    process.stdin.close()
    return process


if __name__ == "__main__":
    print(solved(json.load(sys.stdin)))
