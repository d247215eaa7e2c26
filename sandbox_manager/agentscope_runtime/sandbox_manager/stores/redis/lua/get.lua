-- See `Store.get`.
local record = fetch(A.id)
if not record or record.state == 'stopping' then
  return answer({ending = call('HGET', P .. 'endings', A.id), lost = not whole()})
end
return answer({record = record})
