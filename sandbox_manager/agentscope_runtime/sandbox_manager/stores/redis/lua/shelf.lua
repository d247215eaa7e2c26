-- A text for a while, under a name of its own: put, get, or take, which gets it for the last time.
local name, verb = KEYS[1] .. 'shelf:' .. ARGV[2], ARGV[1]
if verb == 'put' then
  redis.call('SET', name, ARGV[3], 'PX', ARGV[4])
  return ''
end
local text = redis.call('GET', name) or ''
if verb == 'take' then
  redis.call('DEL', name)
end
return text
