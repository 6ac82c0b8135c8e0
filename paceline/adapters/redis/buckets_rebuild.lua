-- Counts what was sent before counting began: after Redis was lost, nothing may look unused that was used.
--
-- KEYS  1 since, which ends with a c when nothing is missing   then the lists and hashes as in the take
-- ARGV  now (0: this server's clock), lifetime ms, lists, longs,
--       per list: keep, lifetime ms   per long window: sub-window, touched   then the times sent, ascending (µs)

local arg = 0
local function take_number()
    arg = arg + 1
    return tonumber(ARGV[arg])
end

local now, lifetime, lists, longs = take_number(), take_number(), take_number(), take_number()
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local stored = redis.call('GET', KEYS[1]) or string.format('%.0f', now)
local since = tonumber(string.match(stored, '%d+'))
local complete = string.sub(stored, -1) == 'c'
local list, long = {}, {}
for i = 1, lists do list[i] = {keep = take_number(), lifetime = take_number()} end
for i = 1, longs do long[i] = {sub = take_number(), touched = take_number()} end

local missing = {}
for i = arg + 1, #ARGV do
    local sent = tonumber(ARGV[i])
    if sent < since and not complete then missing[#missing + 1] = sent end
end

for i = 1, lists do
    for n = #missing, math.max(1, #missing - list[i].keep + 1), -1 do
        redis.call('RPUSH', KEYS[1 + i], string.format('%.0f', missing[n]))
    end
    redis.call('LTRIM', KEYS[1 + i], 0, list[i].keep - 1)
    redis.call('PEXPIRE', KEYS[1 + i], list[i].lifetime)
end
for i = 1, longs do
    local key, oldest = KEYS[1 + lists + i], math.floor(now / long[i].sub) - long[i].touched
    for n = 1, #missing do
        local index = math.floor(missing[n] / long[i].sub)
        if index > oldest then redis.call('HINCRBY', key, string.format('%.0f', index), 1) end
    end
    redis.call('PEXPIRE', key, math.ceil(long[i].sub * (long[i].touched + 1) / 1000))
end
redis.call('SET', KEYS[1], string.format('%.0fc', since), 'PX', lifetime)
return #missing
