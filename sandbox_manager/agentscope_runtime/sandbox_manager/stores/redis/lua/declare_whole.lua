-- The leader has looked for everything that is: from now on, what the store does not know does not exist.
local P, epoch, fence = KEYS[1], ARGV[1], ARGV[2]
if redis.call('GET', P .. 'epoch') ~= epoch or redis.call('GET', P .. 'fence') ~= fence then
  return 0
end
redis.call('SET', P .. 'whole', epoch)
return 1
