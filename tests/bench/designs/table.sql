-- What all designs have: a schema of their own, and in it a table like eventcore's, with the same
-- three unique indexes and the same events in it, filled by defaults from there on. Positions come from a sequence, and nothing makes them
-- safe to read by: that would cost the other designs more.

CREATE SCHEMA :design;
CREATE SEQUENCE :design.global_position;
CREATE TABLE :design.events (LIKE eventcore.events INCLUDING INDEXES);
INSERT INTO :design.events SELECT * FROM eventcore.events;
SELECT setval(:'design' || '.global_position', nextval('eventcore.global_position')) \g /dev/null
ALTER TABLE :design.events
    ALTER store SET DEFAULT 'default',
    ALTER global_position SET DEFAULT nextval(:'design' || '.global_position'),
    ALTER event_id SET DEFAULT gen_random_uuid(),
    ALTER recorded_at SET DEFAULT clock_timestamp();
