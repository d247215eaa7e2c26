-- See `Store.forget`.
local record = fetch(A.id)
if record and record.state == 'stopping' then
  drop(A.id)
end
return answer({})
