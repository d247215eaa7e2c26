-- See `Store.sandboxes` and `Store.leases`: the next few, in the order of their ages.
local flat, items = call('ZRANGEBYSCORE', P .. A.what, '(' .. A.after, '+inf', 'WITHSCORES', 'LIMIT', 0, A.limit), {}
for at = 1, #flat, 2 do
  local name = flat[at]
  items[#items + 1] = A.what == 'all' and fetch(name) or {key = name, records = lease_of(name)}
end
return answer({items = items, last = flat[#flat]})
