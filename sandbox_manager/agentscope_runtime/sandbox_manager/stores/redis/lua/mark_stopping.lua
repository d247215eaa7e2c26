-- See `Store.mark_stopping`.
local record = fetch(A.id)
if not record or record.state == 'stopping' or (A.if_free and record.key) then
  return answer({})
end
stop(record, A.ending)
return answer({record = record})
