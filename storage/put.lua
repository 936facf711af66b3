-- Writes the records of many calls.
-- KEYS: epoch, seq, live, then the record of each call
-- ARGV: my epoch, the highest seq that Redis confirmed to me, the length of the
--       record keys' prefix, then for each call: ms to live (0: for ever), record
-- Returns {0, seq, refused...}: the places (from 1) of the calls refused because
-- Redis is full; {1}: fenced; {2}: Redis has lost my epoch, or writes it confirmed.
local call, try, sub, match, format = redis.call, redis.pcall, string.sub, string.match, string.format
local s = call('MGET', KEYS[1], KEYS[2])
local epoch, mine, seq = tonumber(s[1] or 0), tonumber(ARGV[1]), tonumber(s[2] or 0)
if epoch > mine then return {1} end
if epoch < mine or seq < tonumber(ARGV[2]) then return {2} end

local t = call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local cut = tonumber(ARGV[3]) + 1
local index, n = {}, 0 -- of what was written: when the record expires, the call

-- Returns what Redis says against it.
local function set(i)
    local key, ttl, record = KEYS[i + 3], ARGV[2 * i + 2], ARGV[2 * i + 3]
    local gone, done = '+inf', nil
    if ttl == '0' then
        done = try('SET', key, record)
    else
        gone = format('%.0f', now + tonumber(ttl))
        done = try('SET', key, record, 'PX', ttl)
    end
    if done.err then return done end
    index[n + 1], index[n + 2] = gone, sub(key, cut)
    n = n + 2
end

-- One command for all: a command costs more than what it does here.
local function enter()
    if n > 0 then call('ZADD', KEYS[3], unpack(index)) end
end

-- New calls first. A full Redis refuses them as long as this script has written
-- nothing, so nothing is written before them.
local refused, known = {}, {}
for i = 1, #KEYS - 3 do
    local head = call('GETRANGE', KEYS[i + 3], 0, 28)
    if head == '' then
        local no = #refused == 0 and set(i)
        if no and not string.find(no.err, 'OOM', 1, true) then
            enter()
            return no
        end
        if no or #refused > 0 then refused[#refused + 1] = i end
    elseif sub(head, 1, 1) ~= 'E' then
        local old = match(head, '^L(%x+)$')
        old = old and #old == 28 and tonumber(sub(old, 1, 16), 16) or -1
        if old > 9007199254740991 then old = -1 end -- no record: it is written over
        if tonumber(sub(ARGV[2 * i + 3], 2, 17), 16) > old then known[#known + 1] = i end
    end
end
-- Then the calls that have a record. A script that has written may go on although
-- Redis is full, and deleting is always allowed: so one record is deleted first.
if known[1] then call('DEL', KEYS[known[1] + 3]) end
for _, i in ipairs(known) do
    local no = set(i)
    if no then
        enter()
        return no
    end
end

enter()
if n > 0 then
    seq = call('INCR', KEYS[2])
    call('ZREMRANGEBYSCORE', KEYS[3], '-inf', format('%.0f', now))
end
return {0, seq, unpack(refused)}
