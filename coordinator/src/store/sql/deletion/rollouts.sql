-- $1 experiment, $2 how many at most. Verdicts go in the same statement as the rollouts that they are about.
with gone as (
    select rollout_id from rollout where experiment_id = $1 limit $2
), unjudged as (
    delete from verdict using gone where verdict.rollout_id = gone.rollout_id
)
delete from rollout using gone where rollout.rollout_id = gone.rollout_id
