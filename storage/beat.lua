-- Notes that a node is alive, and forgets those that have long been silent.
-- KEYS: nodes (hash: name -> ms of its last beat)
-- ARGV: node ('': nobody, who only asks), ms after which a silent node is forgotten
-- Returns ms now, then name and ms of each node.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
if ARGV[1] ~= '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now))
end
local all, beats = redis.call('HGETALL', KEYS[1]), {string.format('%.0f', now)}
for i = 1, #all, 2 do
    if now - tonumber(all[i + 1]) > tonumber(ARGV[2]) then
        redis.call('HDEL', KEYS[1], all[i])
    else
        table.insert(beats, all[i])
        table.insert(beats, all[i + 1])
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return beats
