-- See `Store.end_idle`; at most A.limit leases at once, so that Redis is nobody's for long.
if not whole() then
  return answer({})
end
for _, name in ipairs(due('legacies', A.idle_since, 0, A.limit)) do
  drop_legacy(name)
end
local leases = {}
for at, key in ipairs(due('active', A.idle_since, 0, A.limit)) do
  leases[at] = {key = key, records = lease_of(key)}
  stop_all(leases[at].records, A.ending)
end
return answer({leases = leases, seen = #leases})
