-- Counts requests as sent later than they were granted: they were, or may have been.
--
-- `lists` stands before this text as a constant, as for the takes.
-- KEYS per account: its lists   ARGV per account the number of its requests, then per request: kind (one bit), cost,
--   the stamp it has, how much later it is (µs)
-- Answers the stamp that each has now: never before the newest that is counted, so that lists stay in order.

local call, band, format = redis.call, bit.band, string.format
local arg, first_key = 0, 0
local answer = {}

local function take_number()
    arg = arg + 1
    return tonumber(ARGV[arg])
end

local function moved(key, row, cost, old, new)
    local text = format('%.0f', new)
    call('LREM', key, cost, format('%.0f', old))
    for _ = 1, cost do call('LPUSH', key, text) end
    call('LTRIM', key, 0, row.keep - 1)
    call('PEXPIRE', key, row.lifetime_ms)
end

while arg < #ARGV do
    for _ = 1, take_number() do
        local kind, cost, old, by = take_number(), take_number(), take_number(), take_number()
        local new = old + by
        for i = 1, #lists do
            if band(lists[i].kinds, kind) ~= 0 then
                new = math.max(new, tonumber(call('LINDEX', KEYS[first_key + i], 0) or 0))
            end
        end
        for i = 1, #lists do
            if band(lists[i].kinds, kind) ~= 0 then moved(KEYS[first_key + i], lists[i], cost, old, new) end
        end
        answer[#answer + 1] = new
    end
    first_key = first_key + #lists
end
return answer
