-- See `Store.end_lease`.
for _, name in ipairs(call('SMEMBERS', P .. 'legacies_of:' .. A.key)) do
  drop_legacy(name)
end
local served, ended = give_back(A.key, nil)
for _, record in ipairs(stop_all(lease_of(A.key), A.ending)) do
  ended[#ended + 1] = record
end
return answer({served = served, ended = ended})
