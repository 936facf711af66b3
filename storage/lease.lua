-- Prolongs a lease, or gives it up.
-- KEYS: epoch, owner
-- ARGV: epoch, ms from now (0: give it up), next node ('': any), ms reserved for it
-- Returns {0}; {1}: fenced; {2}: Redis has lost my epoch.
local epoch, mine = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[1])
if epoch > mine then return {1} end
if epoch < mine then return {2} end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
-- A delete first, so that a full Redis takes the rest.
redis.call('HDEL', KEYS[2], 'until', 'next', 'grace')
if ARGV[2] ~= '0' then
    redis.call('HSET', KEYS[2], 'until', string.format('%.0f', now + tonumber(ARGV[2])))
elseif ARGV[3] ~= '' then
    redis.call('HSET', KEYS[2], 'next', ARGV[3], 'grace', string.format('%.0f', now + tonumber(ARGV[4])))
end
return {0}
