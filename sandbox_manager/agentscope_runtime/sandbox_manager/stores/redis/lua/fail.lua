-- See `Store.fail`.
tell({what = 'failed', key = A.key, kind = A.kind, code = A.code, detail = A.detail})
return answer({})
