-- An older price never replaces a newer one.
-- KEYS 1 market:{symbol}   ARGV last, bid, ask, broker_time_ns, received_ns, source, stale
local known = redis.call('HGET', KEYS[1], 'received_ns')
-- nanoseconds need more digits than a Lua number has; as texts of one length they compare as they should
if known and #known == #ARGV[5] and known > ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'last', ARGV[1], 'bid', ARGV[2], 'ask', ARGV[3],
    'broker_time_ns', ARGV[4], 'received_ns', ARGV[5], 'source', ARGV[6], 'stale', ARGV[7])
return 1
