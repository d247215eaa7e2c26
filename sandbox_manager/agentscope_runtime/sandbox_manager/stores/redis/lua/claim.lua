-- See `Store.claim`; `claiming.plan` is the same for a manager that is alone.
if not whole() then
  return answer({lost = true})
end
local key, types, drafts, limits = A.key, A.types, A.drafts, A.limits
local had, mine = held(key), {}
for _, record in ipairs(had) do
  mine[record.sandbox_type] = record
end

-- Which options were agreed upon is decided where they are understood, and only taken for what it was decided on.
if had[1] and (had[1].options or '') ~= A.seen then
  return answer({options = had[1].options or ''})
end

local taken, begun, absent, slept, ready = {}, {}, {}, {}, true
for _, kind in ipairs(types) do
  if mine[kind] then
    ready = ready and answers(mine[kind])
    if mine[kind].state == 'suspended' then
      slept[#slept + 1] = kind
    end
  else
    local free = not A.own and (call('ZRANGE', P .. 'free:warm:' .. kind, 0, 0)[1]
      or call('ZRANGE', P .. 'free:starting:' .. kind, 0, 0)[1])
    if free then
      taken[#taken + 1] = fetch(free)
      ready = ready and taken[#taken].state == 'warm'
    else
      absent[#absent + 1] = kind
      ready = false
    end
  end
end
if (not ready and not drafts) or (not A.grows and #taken + #absent + #slept > 0) then
  return answer({})
end

local volume, ends, leased = nil, nil, false
for _, record in ipairs(had) do
  volume = volume or record.volume
  if in_lease(record) then
    leased = true
    if record.expires_at then
      ends = sooner(ends, record.expires_at)
    end
  end
end
if not leased then
  ends = A.ends
end
for _, kind in ipairs(absent) do
  begun[#begun + 1] = with(drafts[kind], {volume = volume or drafts[kind].volume or false})
end
for _, kind in ipairs(slept) do
  local draft = drafts[kind]
  begun[#begun + 1] = with(mine[kind], {
    state = 'starting', restored = '1', image = draft.image, memory = draft.memory or false,
    manager = draft.manager or false, suspended_at = false, last_active_at = A.now,
  })
end

if limits.per_user > 0 and #taken + #begun > 0 then
  local has = tonumber(call('HGET', P .. 'users', cjson.decode(key)[1]) or '0')
  if has + #taken + #begun > limits.per_user then
    return answer({refused = 'user'})
  end
end

-- Choose the free sandboxes that have to make room for what is to start.
local chosen, order = {}, {}
local keep = {}
for _, record in ipairs(taken) do
  keep[record.sandbox_id] = true
end

local function choose(kind, enough)
  if enough() then
    return true
  end
  for _, state in ipairs({'starting', 'warm'}) do
    for _, id in ipairs(call('ZRANGE', P .. 'free:' .. state .. (kind and ':' .. kind or ''), 0, -1)) do
      if enough() then
        return true
      end
      if not keep[id] and not chosen[id] then
        local record = fetch(id)
        if kind or not A.only_memory or record.memory then
          chosen[id] = record
          order[#order + 1] = record
        end
      end
    end
  end
  return enough()
end

local function at_least(wanted)
  local begin = #order
  return function()
    return #order - begin >= wanted
  end
end

if #begun > 0 then
  local counts, kinds = {}, {}
  for _, record in ipairs(begun) do
    local kind = record.sandbox_type
    if not counts[kind] then
      kinds[#kinds + 1] = kind
    end
    counts[kind] = (counts[kind] or 0) + 1
  end
  for _, kind in ipairs(kinds) do
    local limit = limits.types[kind] or 0
    if limit > 0 and not choose(kind, at_least(members(kind) + counts[kind] - limit)) then
      return answer({refused = 'type', kind = kind})
    end
  end
  if limits.total > 0 and not choose(nil, at_least(sum_of('size') + #begun - limits.total - #order)) then
    return answer({refused = 'total'})
  end
  if limits.memory > 0 then
    local wanted = sum_of('memory') - limits.memory
    for _, record in ipairs(begun) do
      wanted = wanted + tonumber(record.memory or '0')
    end
    A.only_memory = true
    local function fits()
      local freed = 0
      for _, record in ipairs(order) do
        freed = freed + tonumber(record.memory or '0')
      end
      return wanted <= freed
    end
    if not choose(nil, fits) then
      return answer({refused = 'memory'})
    end
  end
end

-- From here on it goes well.
if not A.own then
  for _, record in ipairs(taken) do
    call('HINCRBY', P .. 'counts', 'taken:' .. record.sandbox_type, 1)
  end
  for _, kind in ipairs(absent) do
    call('HINCRBY', P .. 'counts', 'taken:' .. kind, 1)
  end
end
local displaced = stop_all(order, A.displaced)
local function agreed(record)
  if record.options == (A.options or nil) then
    return record
  end
  return with(record, {options = A.options, own = A.own})
end

local function promised(record)
  return with(record, {key = key, warm = record.state == 'warm' and '1', options = A.options, own = A.own})
end

local all = {} -- kinds that the key has from now on, in the order in which it got them
for _, record in ipairs(had) do
  all[#all + 1] = record.sandbox_type
  mine[record.sandbox_type] = agreed(record)
end
for _, records in ipairs({taken, begun}) do
  for _, record in ipairs(records) do
    local kind = record.sandbox_type
    if not mine[kind] then
      all[#all + 1] = kind
    end
    mine[kind] = promised(record)
  end
end
for _, record in ipairs(taken) do
  tell({what = 'taken', kind = record.sandbox_type})
end

local function lease(record)
  if record.state == 'leased' then
    local changes = {}
    for name, config in pairs(A.asked) do
      changes[name] = record[name] or config
    end
    return use(with(record, changes), A.now)
  end
  local changes = {}
  if not record.restored then
    local left = call('HGETALL', P .. 'legacy:' .. legacy_name(record.sandbox_type, key))
    for name in pairs(servers_of(record)) do
      changes[name] = false
    end
    for at = 1, #left, 2 do
      if left[at] ~= 'key' then
        changes[left[at]] = left[at + 1]
      end
    end
    if #left == 0 then
      for name, config in pairs(A.servers) do
        changes[name] = config
      end
    end
  end
  for name, config in pairs(A.asked) do
    changes[name] = config
  end
  changes.state, changes.last_active_at, changes.expires_at = 'leased', A.now, ends or false
  changes.generation = string.format('%d', tonumber(record.generation or '0') + 1)
  changes.leased_at = record.leased_at or A.now
  return put(with(record, changes))
end

local asked_for = {}
if ready then
  for _, kind in ipairs(types) do
    asked_for[kind] = true
  end
end
for _, kind in ipairs(all) do
  if not asked_for[kind] and fetch(mine[kind].sandbox_id) ~= mine[kind] then
    mine[kind] = put(mine[kind])
  end
end
if not ready then
  call('HSET', P .. 'waits', key, ME)
  local started, awaited, first = {}, {}, {}
  for _, record in ipairs(begun) do
    first[record.sandbox_type] = true
  end
  for _, kind in ipairs(types) do
    local record = mine[kind]
    if first[kind] then
      started[#started + 1] = record
    end
    if record.state == 'starting' or record.state == 'suspending' then
      awaited[#awaited + 1] = record
    end
  end
  return answer({begun = started, awaited = awaited, displaced = displaced})
end
local granted, leases = {}, {}
for at, kind in ipairs(types) do
  if mine[kind].state == 'warm' then
    granted[#granted + 1] = kind
  end
  leases[at] = lease(mine[kind])
end
return answer({lease = leases, granted = granted})
