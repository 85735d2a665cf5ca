-- Append from JSON.
CREATE EXTENSION eventcore;

SELECT stream_id, version FROM eventcore.append_json(
    '[{"stream_id": "a", "type": "T", "data": {"n": 1}, "metadata": {"user_id": "u"}},
      {"stream_id": "b", "type": "T", "payload": "AP8="},
      {"stream_id": "a", "type": "T", "event_id": "00000000-0000-7000-8000-000000000001", "data": null, "metadata": null},
      {"stream_id": "a", "type": "T", "data": [1, "x", {"y": [true]}]},
      {"stream_id": "a", "type": "T", "data": 7}]',
    '{"a": "none", "b": 0, "c": "any"}');
SELECT stream_id, version, nullif(event_id, '00000000-0000-7000-8000-000000000001') IS NULL AS given, data, payload, metadata
FROM eventcore.read_streams('{a,b}');
SELECT stream_id, version FROM eventcore.append_json('[{"stream_id": "b", "type": "T"}]');
SELECT outcome, stream_id, version FROM eventcore.try_append_json('[{"stream_id": "b", "type": "T"}]', '{"b": 2, "a": "exists"}');
SELECT outcome, stream_id, expected_version, actual_version
FROM eventcore.try_append_json('[{"stream_id": "b", "type": "T"}]', '{"b": 2, "a": 1, "missing": "exists"}');
SELECT outcome FROM eventcore.try_append_json('[]', '{"b": 3}');

SELECT eventcore.append_json(NULL);
SELECT eventcore.append_json('[]', NULL);
SELECT eventcore.append_json('{}');
SELECT eventcore.append_json('"x"');
SELECT eventcore.append_json('[1]');
SELECT eventcore.append_json('[{"stream_id": "a", "type": "T", "metadta": {}}]');
SELECT eventcore.append_json('[{"stream_id": "a", "type": 1}]');
SELECT eventcore.append_json('[{"type": "T"}]');
SELECT eventcore.append_json('[{"stream_id": "a", "type": null}]');
SELECT eventcore.append_json('[{"stream_id": "a", "type": "T", "event_id": "x"}]');
SELECT eventcore.append_json('[{"stream_id": "a", "type": "T", "payload": "?"}]');
SELECT eventcore.append_json('[]', '[]');
SELECT eventcore.append_json('[]', '"none"');
SELECT eventcore.append_json('[]', '-1');
SELECT eventcore.append_json('[]', '{"a": "nonsense"}');
SELECT eventcore.append_json('[]', '{"a": 1.5}');
SELECT eventcore.append_json('[]', '{"a": 1e30}');
SELECT eventcore.append_json('[]', '{"a": null}');
SELECT eventcore.append_json('[]', '{"a": -3}');
SELECT eventcore.append_json('[]', '{"": 0}');

DROP EXTENSION eventcore;
