-- See `Store.change_mcp_servers`.
local record = fetch(A.id)
if not record or record.state ~= 'leased' then
  return answer({})
end
local changes = {}
if A.removed then
  changes[A.removed] = false
end
for name, config in pairs(A.added) do
  if A.overwrite or name == A.removed or not record[name] then
    changes[name] = config
  end
end
put(with(record, changes))
return answer({})
