-- Who may refresh the tokens of a family: a digest of the client, its realm and the keys that the
-- family is bound to. What shows a refresh token is compared with it by the very statement that
-- exchanges the token. Families of before have none; theirs are looked at first, as ever.
ALTER TABLE grants ADD COLUMN holder BYTEA;
