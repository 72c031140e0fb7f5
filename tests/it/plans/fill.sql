-- PostgreSQL chooses by what is in the tables, and for empty ones any index will do. So each gets
-- rows that make no sense, but whose values are as many as theirs would be: few tenants, all that
-- may be in a column with a list, rarely a time that may be missing, mostly whatever else may be,
-- and each value once.
DO $$
DECLARE
    line RECORD;
    names TEXT;
    made TEXT;
BEGIN
    FOR line IN SELECT conrelid::regclass AS whose, conname FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', line.whose, line.conname);
    END LOOP;
    FOR line IN SELECT oid, oid::regclass AS whose FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname NOT IN ('instance', 'schema_migrations')
    LOOP
        SELECT string_agg(name, ', '), string_agg(value, ', ') INTO names, made FROM (
            SELECT quote_ident(attname) AS name, CASE
                    WHEN listed IS NOT NULL
                        THEN format('(%L::text[])[1 + n %% %s]', listed, cardinality(listed))
                    WHEN attname IN ('tenant_id', 'user_tenant', 'realm')
                        THEN '''of '' || n % 5'
                    ELSE format('CASE WHEN %s THEN CAST(%s AS %s) END',
                        CASE WHEN attnotnull THEN 'TRUE' WHEN attname LIKE '%\_at' THEN 'n % 7 = 0'
                            ELSE 'n % 7 > 0' END,
                        CASE atttypid::regtype::text
                            WHEN 'bytea' THEN 'decode(md5(n::text), ''hex'')'
                            WHEN 'boolean' THEN 'n % 2 = 0'
                            ELSE 'n' END,
                        atttypid::regtype)
                END AS value
            FROM pg_attribute LEFT JOIN (
                SELECT conrelid, conkey[1] AS place, ARRAY(
                    SELECT word[1] FROM regexp_matches(
                        pg_get_constraintdef(oid), '''([^'']+)''::text', 'g') AS it (word)) AS listed
                FROM pg_constraint WHERE contype = 'c') AS checks
                ON conrelid = attrelid AND place = attnum
            WHERE attrelid = line.oid AND attnum > 0 AND NOT attisdropped) AS columns;
        EXECUTE format(
            'INSERT INTO %s (%s) SELECT %s FROM generate_series(1, 3000) AS n ON CONFLICT DO NOTHING',
            line.whose, names, made);
    END LOOP;
END $$
