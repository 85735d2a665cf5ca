-- A projection runs with the rights of its owner, whoever runs it, and lends them to nobody.
BEGIN;
SELECT plan(29);

CREATE ROLE eventcore_test_owner;
CREATE ROLE eventcore_test_member;
CREATE ROLE eventcore_test_other;
GRANT eventcore_test_owner TO eventcore_test_member;
GRANT USAGE ON SCHEMA eventcore TO eventcore_test_owner, eventcore_test_member, eventcore_test_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventcore TO eventcore_test_owner, eventcore_test_member, eventcore_test_other;
CREATE SCHEMA bank AUTHORIZATION eventcore_test_owner;
CREATE SCHEMA trap AUTHORIZATION eventcore_test_other;

SET LOCAL search_path = bank, public;
SET LOCAL client_min_messages = error;
SET LOCAL ROLE eventcore_test_owner;
CREATE TABLE seen (type text, who name);
CREATE FUNCTION see(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (e.type, current_user);
    PERFORM set_config('work_mem', '64kB', false);
END $$;
CREATE FUNCTION see_and(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE e.data->>'sql';
END $$;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA bank FROM PUBLIC;
SELECT lives_ok($$SELECT eventcore.create_projection('p', 'see')$$, 'who may call the handler creates');
SELECT lives_ok($$SELECT eventcore.append('s', -1, 'One', NULL)$$, 'append');
RESET ROLE;

-- Run by others.
SET LOCAL ROLE eventcore_test_other;
SET LOCAL search_path = trap, public;
SELECT throws_ok($$SELECT eventcore.create_projection('q', 'bank.see')$$, '42501', NULL, 'not without the schema');
RESET ROLE;
GRANT USAGE ON SCHEMA bank, public TO eventcore_test_other;
SET LOCAL ROLE eventcore_test_other;
SELECT throws_ok($$SELECT eventcore.create_projection('q', 'bank.see')$$, 'VE038', NULL, 'nor without EXECUTE');
SELECT throws_ok($$INSERT INTO bank.seen VALUES ('x', 'x')$$, '42501', NULL, 'the read model is the owner''s');
SELECT is(eventcore.run_projection('p'), 1::bigint, 'yet somebody else may run it');
SELECT is(current_user, 'eventcore_test_other', 'and is who he was afterwards');
SELECT isnt(current_setting('work_mem'), '64kB', 'with his settings');
RESET ROLE;
SET LOCAL search_path = bank, public;
SELECT results_eq('SELECT type, who FROM seen', $$VALUES ('One', 'eventcore_test_owner'::name)$$, 'it ran as its owner');

-- Inline: whoever appends. His search_path and temporary tables mean nothing to the handler.
SET LOCAL ROLE eventcore_test_owner;
CREATE FUNCTION see_inline(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen VALUES (e.type, current_user); END $$;
SELECT eventcore.create_projection('i', 'see_inline', mode => 'inline', types => '{Two}');
SET LOCAL ROLE eventcore_test_other;
CREATE TABLE trap.seen (type text, who name);
CREATE TEMP TABLE seen (type text, who name);
GRANT ALL ON trap.seen, pg_temp.seen TO PUBLIC;
SET LOCAL search_path = pg_temp, trap, public;
SELECT lives_ok($$SELECT eventcore.append('s', -1, 'Two', NULL)$$, 'an inline one runs for who appends');
SELECT is(current_user, 'eventcore_test_other', 'who is who he was');
SELECT is((SELECT count(*) FROM pg_temp.seen) + (SELECT count(*) FROM trap.seen), 0::bigint, 'his tables are not taken for the owner''s');
RESET ROLE;
SET LOCAL search_path = bank, public;
SELECT results_eq('SELECT who FROM bank.seen WHERE type = ''Two''', $$VALUES ('eventcore_test_owner'::name)$$, 'the owner''s are');
SELECT eventcore.drop_projection('i');

-- Steered by its owner, members of that role, and superusers.
SET LOCAL ROLE eventcore_test_other;
SELECT throws_ok(format('SELECT eventcore.%s', call), '42501', 'must be owner of projection "p"', call)
FROM unnest(ARRAY['pause_projection(''p'')', 'resume_projection(''p'')', 'drop_projection(''p'')',
    'rebuild_projection(''p'')', 'set_projection_mode(''p'', ''inline'')', 'replay_parked_projection(''p'')']) AS call;
SET LOCAL ROLE eventcore_test_member;
SELECT lives_ok($$SELECT eventcore.pause_projection('p'), eventcore.resume_projection('p')$$, 'a member of its role may');
RESET ROLE;

-- It cannot become anybody else, nor leave anything to be done by who commits.
SET LOCAL ROLE eventcore_test_owner;
CREATE TABLE bank.later (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT eventcore.create_projection('tries', 'bank.see_and', types => '{Try}', on_error => 'park');
SELECT version FROM unnest(ARRAY['RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT',
    'CREATE TEMP TABLE t ()', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'INSERT INTO bank.later VALUES (1), (1)']) AS try,
    eventcore.append('try', -1, 'Try', jsonb_build_object('sql', try));
RESET ROLE;
SELECT is(eventcore.run_projection('tries'), 0::bigint, 'none of these');
SELECT results_eq($$SELECT error FROM eventcore.parked_projection_events ORDER BY global_position$$, ARRAY[
    'cannot set parameter "role" within security-definer function',
    'cannot set parameter "session_authorization" within security-definer function',
    'cannot create temporary table within security-restricted operation',
    'cannot create a cursor WITH HOLD within security-restricted operation',
    'cannot fire deferred trigger within security-restricted operation'], 'each for its reason');
SELECT is(session_user || ' ' || current_user, 'postgres postgres', 'and all is as it was');
SELECT eventcore.drop_projection('tries');

-- What was taken away stops it.
SELECT eventcore.append('s', -1, 'Three', NULL);
REVOKE EXECUTE ON FUNCTION see FROM eventcore_test_owner;
SELECT is(eventcore.run_projection('p'), 0::bigint, 'without EXECUTE it stops');
SELECT is(last_error, 'projection "p" cannot run: its owner may not execute function bank.see(eventcore.recorded_event)', 'and says so')
FROM eventcore.projection_status;
GRANT EXECUTE ON FUNCTION see TO eventcore_test_owner;
ALTER ROLE eventcore_test_owner RENAME TO eventcore_test_renamed;
SELECT eventcore.resume_projection('p');
SELECT is(eventcore.run_projection('p'), 0::bigint, 'without its owner too');
SELECT is(last_error, 'projection "p" cannot run: its owner, role eventcore_test_owner, does not exist', 'and says so')
FROM eventcore.projection_status;
SELECT eventcore.set_projection_mode('p', 'async');
SET LOCAL ROLE eventcore_test_member;
SELECT throws_ok($$SELECT eventcore.drop_projection('p')$$, '42501', NULL, 'nobody owns it now');
RESET ROLE;
SELECT lives_ok($$SELECT eventcore.drop_projection('p')$$, 'a superuser can drop it');

SELECT * FROM finish();
ROLLBACK;
