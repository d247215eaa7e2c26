-- See `Store.trim`.
if not whole() then
  return answer({lost = true})
end
if not leads(A.fence) then
  return answer({stale = true})
end
local free = {}
for _, state in ipairs({'starting', 'warm'}) do
  for _, id in ipairs(call('ZRANGE', P .. 'free:' .. state .. ':' .. A.kind, 0, -1)) do
    free[#free + 1] = fetch(id)
  end
end
table.sort(free, function(one, other)
  if one.state ~= other.state then
    return one.state == 'starting'
  end
  return tonumber(one.created_at) > tonumber(other.created_at)
end)
local stopped = {}
for at = 1, #free - A.keep do
  stopped[at] = stop(free[at], A.ending)
end
return answer({records = stopped})
