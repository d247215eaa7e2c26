-- See `Store.adopt`; what is behind, `SandboxRecord.is_behind` says.
local record, old = A.record, fetch(A.record.sandbox_id)
local behind = old and not old.key and (old.state == 'starting' or old.state == 'warm') and record.state == 'leased'
if (old and not behind)
  or call('HEXISTS', P .. 'endings', record.sandbox_id) == 1
  or (record.key and call('HEXISTS', P .. 'held:' .. record.key, record.sandbox_type) == 1) then
  return answer({})
end
if behind then
  record.n = old.n
  put(with(record, {state = 'warm', key = false}))
end
put(record)
room = not record.key
return answer({adopted = true})
