-- What happened, for managers with somebody who watches.
redis.call('PUBLISH', KEYS[1] .. 'happened', ARGV[1])
return ''
