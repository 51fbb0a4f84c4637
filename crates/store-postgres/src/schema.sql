-- The objects of version 1. They are made in the first schema of the search path, which is the store's own.

CREATE TABLE store_format (application text NOT NULL, version integer NOT NULL);
INSERT INTO store_format VALUES ('fleetcert', 1);

-- Keys are octets: they sort as in every other store, whatever the database's encoding and collation.
-- Some room stays in each page, so that a record that is written often is written in place.
CREATE TABLE records (
    collection text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    version bigint NOT NULL,
    due bigint,
    value bytea NOT NULL,
    PRIMARY KEY (collection, key)
) WITH (fillfactor = 80);
CREATE INDEX records_due ON records (collection, due, key) WHERE due IS NOT NULL;

-- Not a row with a counter: that one row would put all transactions in line.
CREATE SEQUENCE versions AS bigint;

-- Makes a transaction of checks and writes in one exchange. The arrays have one element for each write, in the order
-- of collection and key. Expectations: 0 whatever it is, 1 absent, 2 of the version in `expected`.
-- Actions: 0 check, 1 put, 2 delete. Either `made` is the version, or `refused` is the position of the write whose
-- record is not as expected and `standing` its version; then nothing was written.
CREATE FUNCTION commit_transaction(
    collections text[], keys bytea[], expectations smallint[], expected bigint[],
    actions smallint[], dues bigint[], contents bytea[],
    OUT made bigint, OUT refused integer, OUT standing bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lock_name bigint;
BEGIN
    -- First the names of the records that may be absent: a row that is not there cannot be locked. Who makes a record
    -- holds the lock on its name. All take these locks in one order, and before any lock on a row.
    FOR lock_name IN
        SELECT DISTINCT hashtextextended(asked.collection || '/' || encode(asked.key, 'hex'), 0)
        FROM unnest(collections, keys, expectations) AS asked (collection, key, expectation)
        WHERE asked.expectation <> 2
        ORDER BY 1
    LOOP
        PERFORM pg_advisory_xact_lock(lock_name);
    END LOOP;

    -- Then the rows, again in one order. Each statement sees what was committed before it began, and a row that was
    -- waited for is seen as it is now: from here on nobody else changes any of them.
    FOR i IN 1 .. cardinality(keys) LOOP
        SELECT records.version INTO standing FROM records
        WHERE records.collection = collections[i] AND records.key = keys[i]
        FOR UPDATE;
        IF (expectations[i] = 1 AND standing IS NOT NULL)
            OR (expectations[i] = 2 AND standing IS DISTINCT FROM expected[i])
        THEN
            refused := i;
            -- The locks alone are no news that the disk has to keep.
            PERFORM set_config('synchronous_commit', 'off', true);
            RETURN;
        END IF;
    END LOOP;

    -- Only now, so that a record's version never goes down.
    made := nextval('versions');
    standing := NULL;
    INSERT INTO records (collection, key, version, due, value)
        SELECT asked.collection, asked.key, made, asked.due, asked.content
        FROM unnest(collections, keys, actions, dues, contents) AS asked (collection, key, action, due, content)
        WHERE asked.action = 1
        ON CONFLICT (collection, key) DO UPDATE
        SET version = excluded.version, due = excluded.due, value = excluded.value;
    DELETE FROM records USING unnest(collections, keys, actions) AS asked (collection, key, action)
        WHERE asked.action = 2 AND records.collection = asked.collection AND records.key = asked.key;
END
$$;
