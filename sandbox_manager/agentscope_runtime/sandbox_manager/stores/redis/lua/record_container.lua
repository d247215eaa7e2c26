-- See `Store.record_container`.
local record = fetch(A.id)
if not record or record.state ~= 'starting' then
  return answer({})
end
return answer({record = put(with(record, A.made))})
