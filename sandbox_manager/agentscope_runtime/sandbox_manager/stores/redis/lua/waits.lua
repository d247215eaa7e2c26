-- See `Store.waits`.
local flat, managers = call('HGETALL', P .. 'waits'), {}
for at = 1, #flat, 2 do
  managers[flat[at]] = flat[at + 1]
end
return answer(managers)
