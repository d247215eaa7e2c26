-- See `Store.touch`.
local record = fetch(A.id)
if not record or record.state == 'stopping' then
  return answer({ending = call('HGET', P .. 'endings', A.id), lost = not whole()})
end
return answer({record = record.state == 'leased' and use(record, A.now) or record})
