-- See `Store.held`.
return answer({records = held(A.key)})
