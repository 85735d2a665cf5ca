-- Lock streams before reading them.

CREATE FUNCTION eventcore.lock_streams(
    write text[],
    read  text[] DEFAULT '{}',
    store text   DEFAULT 'default',
    OUT stream_id text,
    OUT version   bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_lock_streams';
COMMENT ON FUNCTION eventcore.lock_streams(text[], text[], text) IS
'Lock streams until the end of the transaction, so that a command that reads them now, decides and appends cannot conflict. For commands that keep losing.
write: streams that will be appended to. read: streams that will only be checked; others may share them.
Returns the streams with their versions, in the order given. From then on the transaction may append to and check no others: undeclared_stream (VE002). To lock more, roll back and lock the larger set.';
