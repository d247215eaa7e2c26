-- See `Store.mark_suspended`.
local record = fetch(A.id)
if not record or not in_lease(record) or (record.state ~= 'suspending' and record.state ~= 'starting') then
  return answer({})
end
record = put(with(record, {
  state = 'suspended', suspended_at = A.now, paused = false, container_id = false, image_id = false, address = false,
}))
room = true
wake(record.key)
return answer({record = record})
