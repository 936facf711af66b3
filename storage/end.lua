-- Ends calls: the record becomes a tombstone, the detail goes to the stream.
-- KEYS: epoch, seq, live, details, then the record of each call
-- ARGV: my epoch, the highest seq that Redis confirmed to me, the length of the
--       record keys' prefix, then for each call: ms to live (0: for ever),
--       tombstone, detail
-- Returns {0, seq}; {1}: fenced; {2}: Redis has lost my epoch, or writes it confirmed.
local s = redis.call('MGET', KEYS[1], KEYS[2])
local epoch, mine, seq = tonumber(s[1] or 0), tonumber(ARGV[1]), tonumber(s[2] or 0)
if epoch > mine then return {1} end
if epoch < mine or seq < tonumber(ARGV[2]) then return {2} end

local cut = tonumber(ARGV[3]) + 1
local wrote = false
for i = 1, #KEYS - 4 do
    local key, ttl, record = KEYS[i + 4], ARGV[3 * i + 1], ARGV[3 * i + 2]
    if redis.call('GETRANGE', key, 0, 0) ~= 'E' then
        -- Removing is allowed when Redis is full, and after a first write so is the
        -- rest of the script. The end of a call makes room; its detail is money.
        local id = string.sub(key, cut)
        redis.call('ZREM', KEYS[3], id)
        if ttl == '0' then
            redis.call('SET', key, record)
        else
            redis.call('SET', key, record, 'PX', ttl)
        end
        redis.call('XADD', KEYS[4], '*', 'call', id, 'detail', ARGV[3 * i + 3])
        wrote = true
    end
end
if wrote then seq = redis.call('INCR', KEYS[2]) end
return {0, seq}
