"""django-oauth-toolkit: tokens of programs and of people by their passwords, on SQLite.

usage: python django_app.py DATABASE USERS makes the users and the applications; served by gunicorn
as `django_app:application` with the database in PEER_DATABASE.
"""

import os
import sys

import django
from django.conf import settings

SECRET = "a-secret-that-is-long-enough-for-anybody"
PASSWORD = "correct horse battery staple"

settings.configure(
    SECRET_KEY="a secret of thirty-two characters!",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("PEER_DATABASE") or sys.argv[1],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", "transaction_mode": "IMMEDIATE"},
        }
    },
    PASSWORD_HASHERS=["django_hashers.SameCost", "django.contrib.auth.hashers.PBKDF2PasswordHasher"],
    OAUTH2_PROVIDER={"SCOPES": {"api": "API"}, "ACCESS_TOKEN_EXPIRE_SECONDS": 3600, "PKCE_REQUIRED": False},
    ROOT_URLCONF="django_urls",
    MIDDLEWARE=[],
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

application = WSGIHandler()


def seed(number):
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    hashed = make_password(PASSWORD)
    User.objects.bulk_create([User(username=f"user{each}@example.com", password=hashed) for each in range(number)], 5000)
    for name, grant, is_hashed in (("hashed", "client-credentials", True), ("plain", "client-credentials", False), ("person", "password", False)):
        Application.objects.create(
            client_id=name, client_secret=SECRET, hash_client_secret=is_hashed, client_type="confidential", authorization_grant_type=grant, name=name
        )


if __name__ == "__main__":
    seed(int(sys.argv[2]))
