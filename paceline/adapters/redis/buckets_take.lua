-- Decides the takes of some accounts against the windows of their broker, and counts what it grants.
--
-- The windows stand before this text as constants:
--   lifetime_ms; every period below is widened by the jitter allowance
--   lists: {kinds, keep, longest, lifetime_ms}, one per group of short windows that count the same calls
--   short: {list, kinds, period, calls, entries}    long: {kinds, sub, touched, calls, entries, lifetime_ms}
-- KEYS per account: penalty (until when), since (when counting began, and a c when nothing before it is missing),
--   then per list the times sent, newest first, then per long window a hash of counts by part of the window
-- ARGV now (0: this server's own clock), then per account the number of its takes, then per take: kind (one bit),
--   entry (1 or 0), cost
-- Times are µs. Answers three numbers per take: 0 and the time when granted, else how long to wait and what refused
-- (0 the penalty, else the window's number, long ones after short ones); then when counting began.

local call, band, format = redis.call, bit.band, string.format
local server_now = tonumber(ARGV[1])
if server_now == 0 then
    local time = call('TIME')
    server_now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local arg, first_key = 1, 0
local answer = {}

local function take_number()
    arg = arg + 1
    return tonumber(ARGV[arg])
end

local function list_key(i) return KEYS[first_key + 2 + i] end
local function hash_key(i) return KEYS[first_key + 2 + #lists + i] end

-- A clock that went back a little stands still; one that went back far is believed, and all that was counted is
-- taken as sent just now.
local function settled_clock()
    local now = server_now
    for i = 1, #lists do
        local newest = tonumber(call('LINDEX', list_key(i), 0) or 0)
        if newest > now + lists[i].longest then
            local count = call('LLEN', list_key(i))
            call('DEL', list_key(i))
            for _ = 1, count do call('LPUSH', list_key(i), format('%.0f', now)) end
        elseif newest > now then
            now = newest
        end
    end
    return now
end

-- Counts of the parts that an interval ending now may touch; the older ones are dropped.
local function read_long(now)
    for i = 1, #long do
        local w = long[i]
        w.current = math.floor(now / w.sub)
        w.used, w.oldest = 0, w.current
        local stored = call('HGETALL', hash_key(i))
        for f = 1, #stored, 2 do
            local index = tonumber(stored[f])
            if index <= w.current - w.touched then
                call('HDEL', hash_key(i), stored[f])
            else
                w.used = w.used + tonumber(stored[f + 1])
                w.oldest = math.min(w.oldest, index)
            end
        end
    end
end

local function refusal(now, penalty, kind, entry, cost)
    local free_at, by = 0, 0
    if penalty > now then free_at = penalty end
    for i = 1, #short do
        local w = short[i]
        if band(w.kinds, kind) ~= 0 then
            local limit = entry and w.entries or w.calls
            local last = cost > limit and now or tonumber(call('LINDEX', list_key(w.list), limit - cost) or -w.period)
            if now - last < w.period and last + w.period > free_at then
                free_at, by = last + w.period, i
            end
        end
    end
    for i = 1, #long do
        local w = long[i]
        if band(w.kinds, kind) ~= 0 and w.used + cost > (entry and w.entries or w.calls) then
            local gone = (w.oldest + w.touched) * w.sub
            if gone > free_at then free_at, by = gone, #short + i end
        end
    end
    return free_at, by
end

local function count(now, kind, cost)
    local text = format('%.0f', now)
    for i = 1, #lists do
        if band(lists[i].kinds, kind) ~= 0 then
            for _ = 1, cost do call('LPUSH', list_key(i), text) end
        end
    end
    for i = 1, #long do
        local w = long[i]
        if band(w.kinds, kind) ~= 0 then
            w.used = w.used + cost
            call('HINCRBY', hash_key(i), format('%.0f', w.current), cost)
        end
    end
end

local function counting_since(now)
    local since = call('GET', KEYS[first_key + 2])
    if since then return tonumber(string.match(since, '%d+')) end
    call('SET', KEYS[first_key + 2], format('%.0f', now), 'PX', lifetime_ms)
    return now
end

local function keep_alive()
    call('PEXPIRE', KEYS[first_key + 2], lifetime_ms)
    for i = 1, #lists do
        call('LTRIM', list_key(i), 0, lists[i].keep - 1)
        call('PEXPIRE', list_key(i), lists[i].lifetime_ms)
    end
    for i = 1, #long do call('PEXPIRE', hash_key(i), long[i].lifetime_ms) end
end

while arg < #ARGV do
    local takes, granted = take_number(), false
    local now = settled_clock()
    local penalty = tonumber(call('GET', KEYS[first_key + 1]) or 0)
    local began = counting_since(now)
    read_long(now)
    for _ = 1, takes do
        local kind, entry, cost = take_number(), take_number() == 1, take_number()
        local free_at, by = refusal(now, penalty, kind, entry, cost)
        if free_at == 0 then
            count(now, kind, cost)
            granted, by = true, now
        else
            -- the wait is from the clock everyone else sees
            free_at = math.max(free_at - server_now, 1)
        end
        answer[#answer + 1] = free_at
        answer[#answer + 1] = by
        answer[#answer + 1] = began
    end
    if granted then keep_alive() end
    first_key = first_key + 2 + #lists + #long
end
return answer
