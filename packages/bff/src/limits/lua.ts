/** Redis's clock in ms, as `now`: the only clock that all processes share. */
export const LUA_NOW = `local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)`
