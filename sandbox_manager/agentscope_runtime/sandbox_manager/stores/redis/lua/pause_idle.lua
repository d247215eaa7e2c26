-- See `Store.pause_idle`; at most A.limit at once.
if not whole() then
  return answer({})
end
local records = {}
for at, id in ipairs(due('running', A.idle_since, 0, A.limit)) do
  records[at] = put(with(fetch(id), {paused = '1'}))
end
return answer({records = records})
