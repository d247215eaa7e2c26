-- See `Store.suspend_idle`; at most A.limit leases at once, after the first A.offset, which cannot be suspended yet.
if not whole() then
  return answer({})
end
local leases, keys = {}, due('active', A.idle_since, A.offset, A.limit)
for _, key in ipairs(keys) do
  local idle = {}
  for _, record in ipairs(lease_of(key)) do
    if answers(record) then
      idle[#idle + 1] = record
      local last = record.state == 'warm' and put(with(record, {state = 'leased'})) or record
      put(with(last, {state = 'suspending', manager = ME ~= '' and ME}))
    end
  end
  if #idle > 0 then
    leases[#leases + 1] = {key = key, records = idle}
  end
end
return answer({leases = leases, seen = #keys})
