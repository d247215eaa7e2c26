-- See `Store.forget`.
local record = fetch(A.id)
return answer({last = record and record.state == 'stopping' and drop(A.id)})
