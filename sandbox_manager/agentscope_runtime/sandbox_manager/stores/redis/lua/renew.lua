-- See `Store.renew`.
local records = {}
for at, record in ipairs(lease_of(A.key)) do
  records[at] = put(with(record, {expires_at = A.expires_at}))
end
return answer({records = records})
