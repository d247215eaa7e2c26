-- See `Store.take_over`.
local records = {}
for at, id in ipairs(call('SMEMBERS', P .. 'duty:' .. A.dead)) do
  records[at] = fetch(id)
end
table.sort(records, function(one, other) return tonumber(one.n) < tonumber(other.n) end)
for at, record in ipairs(records) do
  records[at] = put(with(record, {manager = ME ~= '' and ME}))
end
return answer({records = records})
