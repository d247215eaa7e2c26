-- See `Store.adopt`.
local record = A.record
local known_already = fetch(record.sandbox_id) or call('HEXISTS', P .. 'endings', record.sandbox_id) == 1
if known_already or (record.key and call('HEXISTS', P .. 'held:' .. record.key, record.sandbox_type) == 1) then
  return answer({})
end
put(record)
room = not record.key
return answer({adopted = true})
