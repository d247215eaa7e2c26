-- See `Store.census`.
local flat, counts = call('HGETALL', P .. 'counts'), {}
for at = 1, #flat, 2 do
  if flat[at + 1] ~= '0' then
    local state, kind = flat[at]:match('^(%a+):(.*)$')
    counts[kind] = counts[kind] or {}
    counts[kind][state] = tonumber(flat[at + 1])
  end
end
for kind, numbers in pairs(counts) do
  local had = numbers.taken
  numbers.taken = nil
  if next(numbers) == nil then
    counts[kind] = nil
  else
    numbers.taken = had
  end
end
for kind, numbers in pairs(counts) do
  numbers.free_warm = call('ZCARD', P .. 'free:warm:' .. kind)
  numbers.free_starting = call('ZCARD', P .. 'free:starting:' .. kind)
end
return answer(counts)
