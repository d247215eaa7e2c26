-- See `Store.end_expired`; at most A.limit leases of each sort at once.
if not whole() then
  return answer({})
end
local leases, seen = {}, {}
for _, keys in ipairs({due('expiring', A.now, 0, A.limit), due('dormant', A.suspended_before, 0, A.limit)}) do
  for _, key in ipairs(keys) do
    if not seen[key] then
      seen[key] = true
      leases[#leases + 1] = {key = key, records = lease_of(key)}
      stop_all(leases[#leases].records, A.ending)
    end
  end
end
return answer({leases = leases, seen = #leases})
