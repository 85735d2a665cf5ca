-- EXECUTE on a function is the permission to append or to read; nobody has it but the owner. To let a
-- role in: GRANT USAGE ON SCHEMA eventcore TO role; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA
-- eventcore TO role;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventcore FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA eventcore FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA eventcore FROM PUBLIC;

-- An index on what they compute is maintained by whoever appends.
GRANT EXECUTE ON FUNCTION eventcore.category(text), eventcore.correlation_id(jsonb) TO PUBLIC;
