-- Tells a Redis that has lost it the epoch of the unit's owner.
-- KEYS: epoch, owner, seq
-- ARGV: node, epoch, its lease in ms (0: none)
-- Returns {0, seq}; {1}: fenced, there is a higher one.
local epoch, mine = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[2])
if epoch > mine then return {1} end
if epoch < mine then
    redis.call('DEL', KEYS[2])
    redis.call('SET', KEYS[1], ARGV[2])
    redis.call('HSET', KEYS[2], 'node', ARGV[1], 'epoch', ARGV[2])
    if ARGV[3] ~= '0' then
        local t = redis.call('TIME')
        local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
        redis.call('HSET', KEYS[2], 'until', string.format('%.0f', now + tonumber(ARGV[3])))
    end
end
return {0, tonumber(redis.call('GET', KEYS[3]) or 0)}
