-- See `Store.give_back`.
local kinds = {}
for _, kind in ipairs(A.types) do
  kinds[kind] = true
end
local served, ended = give_back(A.key, kinds)
wake(A.key) -- a call of another manager that came in between may have counted on what was given back
return answer({served = served, ended = ended})
