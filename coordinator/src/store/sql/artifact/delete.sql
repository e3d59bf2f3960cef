-- $1 digests whose rows the caller has locked. A reference that was committed before the lock is
-- seen here, a later one waits for the lock.
delete from artifact
where digest = any($1)
  and not exists (select 1 from adapter where digest in (config_digest, weights_digest, optimiser_digest))
  and not exists (select 1 from iteration where digest = training_set_digest)
returning digest
