-- Nothing is granted for so long; a longer penalty stands.
-- KEYS 1 penalty   ARGV now (0: this server's clock), how long (µs)
local now, span = tonumber(ARGV[1]), tonumber(ARGV[2])
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
if now + span > tonumber(redis.call('GET', KEYS[1]) or 0) then
    redis.call('SET', KEYS[1], string.format('%.0f', now + span), 'PX', math.max(1, math.ceil(span / 1000)))
end
return 1
