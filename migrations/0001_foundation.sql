-- The foundation: who there is, how they prove it, what is under way, what happened.
--
-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 (BIGINT), identifiers and
-- JSON are TEXT, digests are BYTEA. Everything a tenant owns has the tenant in its key, so that a
-- row of one tenant cannot point at a row of another.

CREATE TABLE instance (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    key_check BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE partners (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    contact_email TEXT,
    max_tenants BIGINT,
    max_users_per_tenant BIGINT,
    max_applications_per_tenant BIGINT,
    settings TEXT NOT NULL,
    branding TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX partners_slug ON partners (slug) WHERE deleted_at IS NULL;

CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    partner_id TEXT NOT NULL REFERENCES partners (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    contact_email TEXT,
    settings TEXT NOT NULL,
    branding TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX tenants_slug ON tenants (slug) WHERE deleted_at IS NULL;
CREATE INDEX tenants_partner ON tenants (partner_id);

CREATE TABLE users (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    email_verified_at BIGINT,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'pending_approval')),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    locale TEXT,
    identity_source TEXT NOT NULL,
    identity_provider TEXT,
    custom_data TEXT NOT NULL,
    must_change_password BOOLEAN NOT NULL,
    -- Rises with every change of the password, suspension and deletion: sessions and steps of an
    -- older epoch are dead.
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_email ON users (tenant_id, email_key) WHERE deleted_at IS NULL;

CREATE TABLE passwords (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

CREATE TABLE former_passwords (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    replaced_at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, replaced_at),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- A registration that no one has proved yet: there is no account before that.
CREATE TABLE registrations (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    locale TEXT NOT NULL,
    custom_data TEXT NOT NULL,
    redirect_uri TEXT,
    network TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX registrations_email ON registrations (tenant_id, email_key, id);
CREATE INDEX registrations_expiry ON registrations (expires_at);

-- One-time tokens that were mailed. Only their SHA-256 is here.
CREATE TABLE tickets (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('register', 'verify_email', 'reset_password')),
    digest BYTEA NOT NULL,
    email_key TEXT NOT NULL,
    user_id TEXT,
    registration_id TEXT,
    redirect_uri TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    voided_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX tickets_digest ON tickets (tenant_id, digest);
CREATE INDEX tickets_email ON tickets (tenant_id, email_key, purpose);
CREATE INDEX tickets_expiry ON tickets (expires_at);

CREATE TABLE sessions (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    secret_digest BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    remember BOOLEAN NOT NULL,
    auth_methods TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX sessions_idle ON sessions (idle_expires_at);

-- Devices that a user has signed in from: no notice, and no lock-out by a stranger's guesses.
CREATE TABLE devices (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    place TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX devices_place ON devices (tenant_id, user_id, place);
CREATE INDEX devices_digest ON devices (tenant_id, user_id, digest);
CREATE INDEX devices_seen ON devices (last_seen_at);

-- Second-factor steps in progress.
CREATE TABLE challenges (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('verify', 'enrol')),
    epoch BIGINT NOT NULL,
    remember BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX challenges_digest ON challenges (tenant_id, digest);
CREATE INDEX challenges_user ON challenges (tenant_id, user_id);
CREATE INDEX challenges_expiry ON challenges (expires_at);

-- Failed tries, by account, device, network: the subject is a digest, so that unknown addresses
-- count like known ones.
CREATE TABLE attempts (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    subject BYTEA NOT NULL,
    user_id TEXT,
    failures BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);
CREATE INDEX attempts_user ON attempts (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX attempts_expiry ON attempts (expires_at);

CREATE TABLE spent_captchas (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX spent_captchas_expiry ON spent_captchas (expires_at);

-- Mail on its way. The payload is sealed, because it holds the token in clear until it is sent.
CREATE TABLE outbox (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    locale TEXT NOT NULL,
    payload BYTEA,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    give_up_at BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (tenant_id, id) WHERE state = 'dead';
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE audit (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id TEXT,
    target_type TEXT NOT NULL,
    target_id TEXT,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('success', 'failure')),
    request_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    seq BIGINT,
    hash BYTEA,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX audit_seq ON audit (tenant_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unchained ON audit (tenant_id, id) WHERE seq IS NULL;

CREATE TABLE audit_heads (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
