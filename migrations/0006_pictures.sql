-- Pictures that pages show: logos of tenants and of applications, kept here so that no page loads
-- anything from another host. Named by their content, so that each may be cached for ever.

CREATE TABLE pictures (
    -- The platform ("platform"), a partner or a tenant.
    owner TEXT NOT NULL,
    -- The address it was fetched from; empty: it was uploaded.
    source TEXT NOT NULL,
    -- SHA-256 of the body, hexadecimal.
    digest TEXT NOT NULL,
    format TEXT NOT NULL CHECK (format IN ('png', 'jpeg', 'webp')),
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    body BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner, source, digest)
);
CREATE INDEX pictures_digest ON pictures (digest, owner);
