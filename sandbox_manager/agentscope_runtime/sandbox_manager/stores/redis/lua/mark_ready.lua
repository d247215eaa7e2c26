-- See `Store.mark_ready`.
local record = fetch(A.id)
if not record or record.state ~= 'starting' then
  return answer({})
end
record = serve(with(record, {state = 'warm'}))
if record.key then
  wake(record.key)
else
  room = true -- it can make room for another kind
end
return answer({record = record})
