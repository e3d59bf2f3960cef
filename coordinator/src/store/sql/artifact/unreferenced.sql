-- $1 only after this digest, $2 how many at most.
select digest
from artifact a
where digest > $1
  and created_at < now() - interval '24 hours'
  and not exists (select 1 from adapter where digest in (config_digest, weights_digest, optimiser_digest))
  and not exists (select 1 from iteration where digest = training_set_digest)
order by digest
limit $2
for update skip locked
