-- $1 experiment, whose expired leases become ready again.
with expired as (
    -- Skip locked: a completion or heartbeat that holds the row at this moment decides.
    select job_id from job where experiment_id = $1 and state = 'leased' and leased_until < now() for update skip locked
), lost as (
    update job
    -- Fence and worker stay, for a late holder.
    set state = 'ready', leased_until = null, units_done = 0, losses = losses + 1,
        -- As long as after a failure: 0.5 s, 1 s, 2 s and so on up to a minute.
        not_before = now() + interval '0.5 s' * least(120, power(2, losses + failures))
    from expired
    where job.job_id = expired.job_id
    returning job.*
), recorded as (
    update attempt set outcome = 'lost', reason = 'lease expired', ended_at = now()
    from lost
    where attempt.job_id = lost.job_id and attempt.fence = lost.fence
)
select job_id as "job_id!", experiment_id as "experiment_id!", iteration as "iteration!", purpose as "purpose!", kind as "kind!",
       chunk as "chunk!", part as "part!", problems as "problems!", first_sample as "first_sample!", samples as "samples!",
       fence as "fence!", worker_id, traceparent as "traceparent!", losses as "losses!", failures as "failures!"
from lost
