-- What is wrong with what the readers saw: one row a fault.
WITH wanted (reader, position) AS (
    SELECT reader, global_position
    FROM eventcore.events
    CROSS JOIN unnest(ARRAY['log', 'subscription', 'group', 'acknowledged', 'projection', 'inline', 'standby'])
        AS reader
    UNION ALL
    SELECT 'filtered', global_position FROM eventcore.events WHERE stream_id LIKE 'a-%' AND type IN ('T1', 'T3')
), counted AS (
    SELECT reader, position, count(*) AS times FROM seen GROUP BY 1, 2
), ordered AS (
    SELECT reader, position,
           lag(position) OVER (PARTITION BY reader, CASE WHEN reader = 'group' THEN stream_id END
                               ORDER BY ordinal) AS previous
    FROM seen
    JOIN eventcore.events ON global_position = position
    WHERE reader NOT IN ('acknowledged', 'inline') -- given in any order; written down before the commit
)
SELECT reader || ' skipped ' || position
FROM (SELECT reader, position FROM wanted EXCEPT SELECT reader, position FROM counted) AS missing
UNION ALL
SELECT reader || ' saw ' || position || ', which is not there'
FROM (SELECT reader, position FROM counted EXCEPT SELECT reader, position FROM wanted) AS invented
UNION ALL
SELECT reader || ' saw ' || position || ' ' || times || ' times' FROM counted WHERE times > 1
UNION ALL
SELECT reader || ' saw ' || previous || ' before ' || position FROM ordered WHERE previous >= position
LIMIT 20;
