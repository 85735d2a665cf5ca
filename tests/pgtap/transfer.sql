-- How a command in PL/pgSQL is tested with the kit: given, when, then.
BEGIN;
SELECT setting || '/extension/eventcore_pgtap.sql' AS kit FROM pg_config WHERE name = 'SHAREDIR' \gset
\i :kit

-- Of the version that the customer has seen, so that nothing is transferred twice.
CREATE FUNCTION transfer(payer text, payee text, amount bigint, seen bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    data jsonb := jsonb_build_object('amount', amount);
BEGIN
    IF amount > (SELECT coalesce(sum(CASE e.type WHEN 'MoneyWithdrawn' THEN -1 ELSE 1 END * (e.data->>'amount')::bigint), 0)
                 FROM eventcore.read_stream(payer) AS e) THEN
        RAISE EXCEPTION 'insufficient funds';
    END IF;
    PERFORM eventcore.append(
        ARRAY[eventcore.new_event(payer, 'MoneyWithdrawn', data), eventcore.new_event(payee, 'MoneyDeposited', data)],
        ARRAY[eventcore.expect(payer, seen), eventcore.expect_any(payee)]);
END $$;

SET LOCAL search_path = public, eventcore, eventcore_test;
SELECT plan(4);
SELECT given_event('account-alice', 'MoneyDeposited', '{"amount": 100}');
SELECT transfer('account-alice', 'account-bob', 30, seen => 1);
SELECT then_events(ARRAY[new_event('account-alice', 'MoneyWithdrawn', '{"amount": 30}'),
                         new_event('account-bob', 'MoneyDeposited', '{"amount": 30}')]);
SELECT then_conflict($$SELECT transfer('account-alice', 'account-bob', 30, seen => 1)$$,
                     ARRAY[violation('account-alice', expected => 1, actual => 2)]);
SELECT then_rejected($$SELECT transfer('account-alice', 'account-bob', 71, seen => 2)$$, 'insufficient funds');
SELECT then_stream_is('account-bob', ARRAY[event('MoneyDeposited', '{"amount": 30}')]);
SELECT * FROM finish();
ROLLBACK;
