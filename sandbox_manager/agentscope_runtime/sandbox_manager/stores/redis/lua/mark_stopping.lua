-- See `Store.mark_stopping`.
local record = fetch(A.id)
if not record or record.state == 'stopping' then
  return answer({})
end
stop(record, A.ending)
return answer({record = record})
