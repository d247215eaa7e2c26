-- What every verb's script begins with: its arguments, its answer, and what other managers hear of it.
-- The prefix of all names is the one key that a cluster routes by; the arguments and the answer are JSON, in which all
-- that is kept are strings: numbers would lose digits on their way.
local P, ME, A = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local call = redis.call

-- What other managers have to hear; sent with the answer, in one message.
local news, room = {}, false

-- Whether nothing is only promised to a key any more, for those that the script has changed something of.
local unpromised = {}

local function tell(item)
  news[#news + 1] = item
end

local function wake(key)
  tell({what = 'woken', key = key})
end

local function answer(result)
  for key, gone in pairs(unpromised) do
    if gone then
      call('HDEL', P .. 'waits', key)
    end
  end
  if room then
    tell({what = 'room'})
  end
  if #news > 0 then
    call('PUBLISH', P .. 'news', cjson.encode({from = ME, news = news}))
  end
  return cjson.encode(result)
end

-- Whether what is not here does not exist; an empty store, new or lost, knows nothing until its leader has looked.
local function whole()
  return call('EXISTS', P .. 'whole') == 1
end

-- Whether a leader's token is the newest that there is.
local function leads(fence)
  local met = tonumber(call('GET', P .. 'fence') or '0')
  if tonumber(fence) > met then
    call('SET', P .. 'fence', fence)
  end
  return tonumber(fence) >= met
end

local function sequence()
  return call('INCR', P .. 'sequence')
end
