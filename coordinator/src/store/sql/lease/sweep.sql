-- $1 experiment. Its expired leases become ready again, with the same waiting as after a failure; the fence and the worker stay, for a late holder.
with expired as (
    select job_id from job where experiment_id = $1 and state = 'leased' and leased_until < now() for update skip locked
), lost as (
    update job
    set state = 'ready', leased_until = null, units_done = 0, losses = losses + 1,
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
