-- Events are append-only, for the owner and in replica mode too.
CREATE EXTENSION eventcore;
SELECT version FROM eventcore.append('a', 0, 'T', '{}');

UPDATE eventcore.events SET type = 'U';
DELETE FROM eventcore.events;
DELETE FROM eventcore.events WHERE false;
TRUNCATE eventcore.events;
MERGE INTO eventcore.events AS e USING (VALUES ('a')) AS v (id) ON e.stream_id = v.id
    WHEN MATCHED THEN DELETE;
MERGE INTO eventcore.events AS e USING (VALUES ('a')) AS v (id) ON e.stream_id = v.id
    WHEN MATCHED THEN UPDATE SET type = 'U';
INSERT INTO eventcore.events SELECT * FROM eventcore.events
    ON CONFLICT (store, event_id) DO UPDATE SET type = 'U';

SET session_replication_role = replica;
UPDATE eventcore.events SET type = 'U';
DELETE FROM eventcore.events;
TRUNCATE eventcore.events;
RESET session_replication_role;

-- What fires no statement triggers (the apply worker of logical replication) meets the row triggers.
ALTER TABLE eventcore.events DISABLE TRIGGER refuse_statement;
UPDATE eventcore.events SET type = 'U';
DELETE FROM eventcore.events;
ALTER TABLE eventcore.events ENABLE ALWAYS TRIGGER refuse_statement;

SELECT version, type FROM eventcore.read_stream('a');
DROP EXTENSION eventcore;
