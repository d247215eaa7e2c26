"""The store of managers that share one pool: records in Redis, each verb one script there."""
