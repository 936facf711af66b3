-- Takes the unit for a node, with a new epoch.
-- KEYS: epoch, owner
-- ARGV: node, the lease in ms (0: no lease; whoever asks gets it)
-- Returns {0, epoch}, or {1, node, ms}: held or reserved for that node, that long.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local node, lease = ARGV[1], tonumber(ARGV[2])
if lease > 0 then
    local o = redis.call('HMGET', KEYS[2], 'node', 'until', 'next', 'grace', 'asked')
    local text = string.format('%.0f', now)
    if not o[1] and redis.call('EXISTS', KEYS[1]) == 0 then
        -- A new Redis, or one that has lost everything: an owner that lives shall
        -- come back first, since only it can write its calls again.
        redis.call('DEL', KEYS[2])
        redis.call('HSET', KEYS[2], 'node', '', 'asked', text, 'until', string.format('%.0f', now + lease))
        return {1, '', lease}
    end
    local left = tonumber(o[2] or 0) - now
    if o[2] and o[1] ~= node then
        -- A lease runs out only while somebody who waits for it sees that it is not
        -- renewed. Where nobody asked for long, Redis itself stood still: what its
        -- owner sent meanwhile is perhaps behind this, and gets the time again.
        if now - tonumber(o[5] or 0) > lease / 4 and left < lease then left = lease end
        -- A delete first, so that a full Redis takes the rest.
        redis.call('HDEL', KEYS[2], 'asked', 'until')
        redis.call('HSET', KEYS[2], 'asked', text, 'until', string.format('%.0f', now + left))
    end
    if o[1] and o[1] ~= node and left > 0 then return {1, o[1], left} end
    left = tonumber(o[4] or 0) - now
    if o[3] and o[3] ~= node and left > 0 then return {1, o[3], left} end
end
-- Never below the time: so it is higher than all before also where Redis has lost
-- what they were.
local epoch = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) + 1, now)
local text = string.format('%.0f', epoch)
-- A delete first: a node takes over from a dead one also when Redis is full.
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], text)
redis.call('HSET', KEYS[2], 'node', node, 'epoch', text, 'since', string.format('%.0f', now))
if lease > 0 then redis.call('HSET', KEYS[2], 'until', string.format('%.0f', now + lease)) end
return {0, epoch}
