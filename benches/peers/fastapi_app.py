"""fastapi-users: sign-in by password for an ES256 token, and the page that needs it, on SQLite.

usage: python fastapi_app.py DATABASE USERS makes the users; served by uvicorn as `fastapi_app:app`
with the database in PEER_DATABASE.
"""

import asyncio
import os
import pathlib
import sys
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

database = os.environ.get("PEER_DATABASE") or sys.argv[1]
engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
sessions = async_sessionmaker(engine, expire_on_commit=False)
hasher = PasswordHash([Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1)])


@event.listens_for(engine.sync_engine, "connect")
def durable(connection, _):
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class Manager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = verification_token_secret = "a secret of thirty-two characters!"


async def database_of_users():
    async with sessions() as session:
        yield SQLAlchemyUserDatabase(session, User)


async def manager(users=Depends(database_of_users)):
    yield Manager(users, PasswordHelper(hasher))


def key():
    """One key for all that read the database."""
    path = pathlib.Path(database + ".key")
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    private = serialization.load_pem_private_key(path.read_bytes(), None)
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return path.read_text(), public.decode()


private, public = key()


def strategy():
    return JWTStrategy(secret=private, public_key=public, lifetime_seconds=3600, algorithm="ES256")


backend = AuthenticationBackend(name="jwt", transport=BearerTransport(tokenUrl="login"), get_strategy=strategy)
users = FastAPIUsers[User, uuid.UUID](manager, [backend])
app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth")


class Shown(schemas.BaseUser[uuid.UUID]):
    pass


@app.get("/me", response_model=Shown)
async def me(user=Depends(users.current_user(active=True))):
    return user


@app.get("/health")
async def health():
    return {}


async def seed(number):
    hashed = hasher.hash("correct horse battery staple")
    flags = {"hashed_password": hashed, "is_active": True, "is_superuser": False, "is_verified": True}
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for first in range(0, number, 5000):
            rows = [{"id": uuid.uuid4(), "email": f"user{each}@example.com", **flags} for each in range(first, min(number, first + 5000))]
            await connection.execute(insert(User), rows)


if __name__ == "__main__":
    asyncio.run(seed(int(sys.argv[2])))
