-- $1 only after this digest, $2 how many at most.
select digest
from artifact a
where digest > $1
  -- A worker stores first and reports later, so what is young may yet be referred to.
  and created_at < now() - interval '24 hours'
  and not exists (select 1 from adapter where digest in (config_digest, weights_digest, optimiser_digest))
  and not exists (select 1 from iteration where digest = training_set_digest)
order by digest
limit $2
-- Not no key: a row that comes to refer to one of these must wait, and then finds it gone.
for update skip locked
