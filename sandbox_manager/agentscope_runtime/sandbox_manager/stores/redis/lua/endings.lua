-- Taking sandboxes out of use, and what is kept of them; `stores/departed.py` is the same for a manager that is alone.
local ENDINGS_KEPT, LEGACIES_KEPT = 4096, 1024

local function servers_of(record)
  local servers = {}
  for name, value in pairs(record) do
    if name:sub(1, 4) == 'mcp:' then
      servers[name] = value
    end
  end
  return servers
end

local function legacy_name(kind, key)
  return #kind .. ':' .. kind .. key
end

local function drop_legacy(name)
  local key = call('HGET', P .. 'legacy:' .. name, 'key')
  if key then
    call('SREM', P .. 'legacies_of:' .. key, name)
  end
  call('DEL', P .. 'legacy:' .. name)
  call('ZREM', P .. 'legacies', name)
end

local function leave_legacy(name, record)
  local flat = {'key', record.key}
  for server, config in pairs(servers_of(record)) do
    flat[#flat + 1] = server
    flat[#flat + 1] = config
  end
  call('HSET', P .. 'legacy:' .. name, unpack(flat))
  call('SADD', P .. 'legacies_of:' .. record.key, name)
  call('ZADD', P .. 'legacies', record.last_active_at or '0', name)
  if call('ZCARD', P .. 'legacies') > LEGACIES_KEPT then
    drop_legacy(call('ZRANGE', P .. 'legacies', 0, 0)[1])
  end
end

-- Note how a sandbox ends, given its last record in use; one that dies in a lease leaves its servers.
local function note(record, ending)
  call('HSET', P .. 'endings', record.sandbox_id, ending.json)
  call('ZADD', P .. 'ended', sequence(), record.sandbox_id)
  if call('ZCARD', P .. 'ended') > ENDINGS_KEPT then
    call('HDEL', P .. 'endings', call('ZPOPMIN', P .. 'ended')[1])
  end
  if record.key and in_lease(record) then
    local name = legacy_name(record.sandbox_type, record.key)
    drop_legacy(name)
    if ending.died then
      leave_legacy(name, record)
    end
  end
end

-- Take a sandbox out of use.
local function stop(record, ending)
  note(record, ending)
  room = room or OCCUPYING[record.state]
  tell({
    what = 'stopped', id = record.sandbox_id, kind = record.sandbox_type, key = record.key, ending = ending.json,
  })
  if record.key and not in_lease(record) then
    wake(record.key) -- it was promised: who waits has to claim another one
  end
  return put(with(record, {state = 'stopping', manager = ME ~= '' and ME}))
end

local function stop_all(records, ending)
  local stopped = {}
  for at, record in ipairs(records) do
    stopped[at] = stop(record, ending)
  end
  return stopped
end

-- Undo the promises of these kinds (nil: of all) to a key.
local function give_back(key, kinds)
  local served, ended = {}, {}
  for _, record in ipairs(held(key)) do
    if (not kinds or kinds[record.sandbox_type]) and not in_lease(record) then
      if record.own then
        ended[#ended + 1] = stop(record, A.left)
      else
        room = true
        record = put(with(record, {key = false, warm = false, options = false, own = false}))
        if record.state == 'warm' then
          record = serve(record)
          if record.key then
            served[#served + 1] = record.key
            wake(record.key)
          end
        end
      end
    end
  end
  return served, ended
end

-- Record that a leased sandbox is active; the answer says whether it was paused, the record does not any more.
local function use(record, now)
  local was = with(record, {last_active_at = now})
  put(was.paused and with(was, {paused = false}) or was)
  return was
end

-- The first of what is due at a time; there are few at once, or the verb is asked again.
local function due(name, until_when, offset, limit)
  return call('ZRANGEBYSCORE', P .. name, '-inf', until_when, 'LIMIT', offset, limit)
end
