-- Who may refresh the tokens of a family: a digest of the client, its realm and the keys that the
-- family is bound to. What shows a refresh token is compared with it by the very statement that
-- exchanges the token. Families of before have none, nor does it fit an
-- application with a secret that comes with another key: theirs are looked at, and judged, after the
-- statement has changed nothing.
ALTER TABLE grants ADD COLUMN holder BYTEA;
