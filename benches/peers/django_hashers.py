"""Django's Argon2 at the cost that everybody here has."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class SameCost(Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 2, 19456, 1
