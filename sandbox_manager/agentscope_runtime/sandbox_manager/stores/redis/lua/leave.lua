-- A manager ends in good order: it is known to be gone at once, and somebody else may lead.
local P, manager = KEYS[1], ARGV[1]
redis.call('HSET', P .. 'managers', manager, 0)
if redis.call('GET', P .. 'leader') == manager then
  redis.call('DEL', P .. 'leader')
end
