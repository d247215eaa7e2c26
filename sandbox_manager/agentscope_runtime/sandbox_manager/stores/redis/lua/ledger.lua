-- The records and every index of them, which are always right: `put` and `drop` write both. `stores/ledger.py` is the
-- same for a manager that is alone.
--
-- A record is a hash of strings; what is false, zero, empty or None is not there. The names, after the prefix:
--   r:ID        the record; its field n is its place in `all`
--   all         IDs, oldest first                 keys        who holds or is promised something, oldest first
--   held:KEY    kind -> ID                        waiting:KIND  keys that wait for any sandbox of a kind, oldest first
--   free:STATE:KIND, free:STATE                   IDs that nobody has, oldest first
--   counts      STATE:KIND -> how many            sums, users   of what has a container: how many, bytes, by user
--   volumes     how many have each
--   active, expiring, dormant, running            what is due when (`Ledger` says what these are)
--   waits       KEY -> the manager whose caller was promised something last
--   duty:MANAGER   IDs that it has to finish      endings, ended  why sandboxes ended, and in which order
--   legacy:KIND+KEY, legacies, legacies_of:KEY    MCP servers of those that died
local OCCUPYING = {starting = true, warm = true, leased = true, suspending = true}
local UNFINISHED = {starting = true, suspending = true, stopping = true}
local MAY_BECOME = {
  starting = {warm = true, suspended = true, stopping = true},
  warm = {leased = true, stopping = true},
  leased = {suspending = true, stopping = true},
  suspending = {suspended = true, stopping = true},
  suspended = {starting = true, stopping = true},
  stopping = {},
}

local known = {}

local function fetch(id)
  if known[id] == nil then
    local flat, record = call('HGETALL', P .. 'r:' .. id), {}
    for at = 1, #flat, 2 do
      record[flat[at]] = flat[at + 1]
    end
    known[id] = #flat > 0 and record or false
  end
  return known[id] or nil
end

-- A copy with these fields; false removes one.
local function with(record, changes)
  local new = {}
  for name, value in pairs(record) do
    new[name] = value
  end
  for name, value in pairs(changes) do
    new[name] = value or nil
  end
  return new
end

local function tied(record)
  return record.restored ~= nil or record.own ~= nil
end

local function in_lease(record)
  if record.state == 'starting' or record.state == 'warm' then
    return record.restored ~= nil
  end
  return record.state ~= 'stopping'
end

local function answers(record)
  return record.state == 'warm' or record.state == 'leased'
end

-- What a key holds or is promised.
local function held(key)
  local flat, records = call('HGETALL', P .. 'held:' .. key), {}
  for at = 2, #flat, 2 do
    records[#records + 1] = fetch(flat[at])
  end
  return records
end

local function lease_of(key)
  local records = {}
  for _, record in ipairs(held(key)) do
    if in_lease(record) then
      records[#records + 1] = record
    end
  end
  return records
end

local function members(kind)
  local sum = 0
  for state in pairs(OCCUPYING) do
    sum = sum + tonumber(call('HGET', P .. 'counts', state .. ':' .. kind) or '0')
  end
  return sum
end

local function sum_of(what)
  return tonumber(call('HGET', P .. 'sums', what) or '0')
end

local function count(record, by)
  call('HINCRBY', P .. 'counts', record.state .. ':' .. record.sandbox_type, by)
  if not OCCUPYING[record.state] then
    return
  end
  call('HINCRBY', P .. 'sums', 'size', by)
  if record.memory then
    call('HINCRBY', P .. 'sums', 'memory', by < 0 and '-' .. record.memory or record.memory)
  end
  if record.key then
    local user = cjson.decode(record.key)[1]
    if call('HINCRBY', P .. 'users', user, by) == 0 then
      call('HDEL', P .. 'users', user)
    end
  end
end

local function index(record)
  local kind, state, key, id = record.sandbox_type, record.state, record.key, record.sandbox_id
  if state == 'stopping' then
    return
  end
  if key then
    if call('HSET', P .. 'held:' .. key, kind, id) == 1 then
      call('ZADD', P .. 'keys', 'NX', sequence(), key)
    end
    if state == 'starting' and not tied(record) then
      call('ZADD', P .. 'waiting:' .. kind, 'NX', sequence(), key)
    end
  else
    local place = sequence()
    call('ZADD', P .. 'free:' .. state .. ':' .. kind, place, id)
    call('ZADD', P .. 'free:' .. state, place, id)
  end
end

local function unindex(record)
  local kind, state, key, id = record.sandbox_type, record.state, record.key, record.sandbox_id
  if state == 'stopping' then
    return
  end
  if not key then
    call('ZREM', P .. 'free:' .. state .. ':' .. kind, id)
    call('ZREM', P .. 'free:' .. state, id)
  -- After a swap the entry names the other sandbox already: that one stays, and keeps its place in the queue.
  elseif call('HGET', P .. 'held:' .. key, kind) == id then
    call('HDEL', P .. 'held:' .. key, kind)
    call('ZREM', P .. 'waiting:' .. kind, key)
    if call('EXISTS', P .. 'held:' .. key) == 0 then
      call('ZREM', P .. 'keys', key)
    end
  end
end

local function schedule(name, member, time)
  if time then
    call('ZADD', P .. name, time, member)
  else
    call('ZREM', P .. name, member)
  end
end

local function later(one, other)
  return (not one or tonumber(other) > tonumber(one)) and other or one
end

local function sooner(one, other)
  return (not one or tonumber(other) < tonumber(one)) and other or one
end

local function time(key)
  local used, suspended, ends, sleeping, promised, records = nil, nil, nil, 0, false, held(key)
  for _, record in ipairs(records) do
    if in_lease(record) then
      if record.state == 'suspended' then
        suspended, sleeping = later(suspended, record.suspended_at or '0'), sleeping + 1
      elseif record.state ~= 'suspending' then
        used = later(used, record.last_active_at or '0')
      end
      if record.expires_at then
        ends = sooner(ends, record.expires_at)
      end
    else
      promised = true
    end
  end
  unpromised[key] = not promised
  schedule('active', key, used)
  schedule('expiring', key, ends)
  schedule('dormant', key, sleeping > 0 and sleeping == #records and suspended)
end

local function write(old, new)
  local fields, gone = {}, {}
  for name, value in pairs(new) do
    if not old or old[name] ~= value then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  for name in pairs(old or {}) do
    if new[name] == nil then
      gone[#gone + 1] = name
    end
  end
  if #fields > 0 then
    call('HSET', P .. 'r:' .. new.sandbox_id, unpack(fields))
  end
  if #gone > 0 then
    call('HDEL', P .. 'r:' .. new.sandbox_id, unpack(gone))
  end
  known[new.sandbox_id] = new
end

local function duty(old, new)
  local id = new.sandbox_id
  local before, after = old and UNFINISHED[old.state] and old.manager, UNFINISHED[new.state] and new.manager
  if before ~= after then
    if before then
      call('SREM', P .. 'duty:' .. before, id)
    end
    if after then
      call('SADD', P .. 'duty:' .. after, id)
    end
  end
end

-- How many have the volume of this one, which has it now, too (1), or no more (-1); nothing, if it has none.
local function share(record, by)
  if not record.volume then
    return nil
  end
  local sum = call('HINCRBY', P .. 'volumes', record.volume, by)
  if sum == 0 then
    call('HDEL', P .. 'volumes', record.volume)
  end
  return sum
end

-- Record a sandbox as it is now.
local function put(new)
  local id = new.sandbox_id
  local old = fetch(id)
  if old and old.state ~= new.state and not MAY_BECOME[old.state][new.state] then
    error(id .. ' cannot become ' .. new.state .. ' from ' .. old.state)
  end
  if not old then
    new.n = tostring(sequence())
    call('ZADD', P .. 'all', new.n, id)
  end
  if not old or old.volume ~= new.volume then
    share(new, 1)
    if old then
      share(old, -1)
    end
  end
  write(old, new)
  duty(old, new)
  -- One that only changes in other ways keeps its place in the queues.
  if not old or old.state ~= new.state or old.key ~= new.key or tied(old) ~= tied(new) then
    if old then
      count(old, -1)
      unindex(old)
    end
    count(new, 1)
    index(new)
    if old and old.key and old.key ~= new.key then
      time(old.key)
    end
  end
  schedule('running', id, new.state == 'leased' and not new.paused and (new.last_active_at or '0'))
  if new.key then
    time(new.key)
  end
  return new
end

-- Put a warm sandbox where it is wanted most: with the key that waits longest for its kind, if there is one.
local function serve(record)
  local kind = record.sandbox_type
  local first = not tied(record) and call('ZRANGE', P .. 'waiting:' .. kind, 0, 0)[1] or nil
  if first and first ~= record.key then
    local other = fetch(call('HGET', P .. 'held:' .. first, kind))
    local options, own = other.options or false, other.own or false
    put(with(other, {key = record.key or false, options = record.options or false, own = record.own or false}))
    record = with(record, {key = first, options = options, own = own})
  end
  return put(record)
end

-- Forget a sandbox; say whether nobody has its volume any more.
local function drop(id)
  local record = fetch(id)
  local last = share(record, -1) == 0
  count(record, -1)
  call('SREM', P .. 'duty:' .. (record.manager or ''), id)
  call('ZREM', P .. 'all', id)
  call('DEL', P .. 'r:' .. id)
  known[id] = false
  return last
end
