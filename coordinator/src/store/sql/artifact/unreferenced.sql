-- $1 how many at most. A day is longer than any job may take between storing what it made and reporting it.
select digest
from artifact a
where created_at < now() - interval '24 hours'
  and not exists (select 1 from adapter where digest in (config_digest, weights_digest, optimiser_digest))
  and not exists (select 1 from iteration where digest = training_set_digest)
order by digest
limit $1
for update skip locked
