-- Stores.

CREATE FUNCTION eventcore.create_store(name text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_create_store';
COMMENT ON FUNCTION eventcore.create_store(text) IS
'Create a store: a consistency domain with its own streams, event ids and global order, that the argument "store" of the other functions names. The store "default" always exists.
name: as a stream id, 1 to 255 characters without control characters and without white space at either end.
Errors: store_exists (VE014), invalid_store_name (VE015). There is no limit to the number of stores.';
