-- A manager says that it lives, leads if nobody does, and hears who else there is.
-- Nobody's clock counts for that: managers count their beats, and whoever looks sees whether a count goes on.
local P, manager, new_epoch, ttl, may_lead = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
redis.call('SET', P .. 'epoch', new_epoch, 'NX')
redis.call('HINCRBY', P .. 'managers', manager, 1)
local leader = redis.call('GET', P .. 'leader')
if leader == manager then
  redis.call('PEXPIRE', P .. 'leader', ttl)
elseif not leader and may_lead then
  -- Tokens begin with the time, so that those of a store that was lost do not come again.
  redis.call('SET', P .. 'fence', redis.call('TIME')[1], 'NX')
  redis.call('INCR', P .. 'fence')
  redis.call('SET', P .. 'leader', manager, 'PX', ttl)
  leader = manager
end
local whole = redis.call('EXISTS', P .. 'whole')
local fence = redis.call('GET', P .. 'fence') or '0'
return {redis.call('GET', P .. 'epoch'), whole, leader or '', fence, redis.call('HGETALL', P .. 'managers')}
