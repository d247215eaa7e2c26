-- Managers that are gone, and left nothing behind, need not be known any more.
redis.call('HDEL', KEYS[1] .. 'managers', unpack(ARGV))
