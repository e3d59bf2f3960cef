-- $1 experiment. Counted are the artifacts to which nothing of another experiment refers.
with own as (
    select config_digest as digest from adapter where experiment_id = $1
    union select weights_digest from adapter where experiment_id = $1
    union select optimiser_digest from adapter where experiment_id = $1
    union select training_set_digest from iteration where experiment_id = $1
), alone as (
    select size from artifact join own using (digest)
    where not exists (select 1 from adapter where experiment_id <> $1 and digest in (config_digest, weights_digest, optimiser_digest))
      and not exists (select 1 from iteration where experiment_id <> $1 and digest = training_set_digest)
)
select (select count(*) from rollout where experiment_id = $1) as "rollouts!",
       (select count(*) from job where experiment_id = $1) as "jobs!",
       (select count(*) from alone) as "artifacts!",
       (select coalesce(sum(size), 0)::bigint from alone) as "artifact_bytes!"
