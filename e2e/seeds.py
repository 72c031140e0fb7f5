"""Many users at once: copies of one that the program has made, by the database's file."""

import contextlib
import sqlite3

from support import PASSWORD


def person(number):
    return f"user{number}@example.com"


def users(server, tenant, number):
    """Makes so many users of a tenant, who share one password; the server must not be running."""
    names = ["--first-name", "Grace", "--last-name", "Hopper", "--password-stdin"]
    server.command("user", "create", "--tenant", tenant, person(0), *names, given=PASSWORD + "\n")
    copies(server.data / "countersign.db", number)


def copies(path, number):
    """So many users in all like the one that was made last."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        first = database.execute("SELECT tenant_id, id FROM users ORDER BY created_at DESC LIMIT 1").fetchone()
        copy(database, "users", "id", first, number, {"email": person, "email_key": person})
        copy(database, "passwords", "user_id", first, number, {})


def copy(database, table, key, first, number, changes):
    """They differ from the first in id and address only."""
    names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    found = database.execute(f"SELECT * FROM {table} WHERE tenant_id = ? AND {key} = ?", first).fetchone()
    known = dict(zip(names, found))

    def row(each):
        # The last letters of an id may be any digits.
        other = {**known, key: f"{known[key][:-6]}{each:06}", **{name: it(each) for name, it in changes.items()}}
        return [other[name] for name in names]

    places = ", ".join("?" * len(names))
    database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", map(row, range(1, number)))
