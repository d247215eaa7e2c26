-- See `Store.record_start`, and `claiming.fits`.
if not whole() then
  return answer({lost = true})
end
if not leads(A.fence) then
  return answer({stale = true})
end
local draft, limits = A.draft, A.limits
local limit = limits.types[draft.sandbox_type] or 0
if (limits.total > 0 and sum_of('size') >= limits.total)
  or (limit > 0 and members(draft.sandbox_type) >= limit)
  or (limits.memory > 0 and sum_of('memory') + tonumber(draft.memory or '0') > limits.memory) then
  return answer({full = true})
end
put(draft)
return answer({})
