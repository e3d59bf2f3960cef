-- $1 kind, $2 capacity, $3 worker, $4 lease, $5 experiments in the order in which they were served last. Fair: experiments with the fewest
-- leased jobs of the kind come first, then those not served for the longest; within one, jobs go out in the order they were made. `lateral` lets the partial index job_ready serve each experiment without reading the others' jobs.
with open as materialized (
    select e.experiment_id, e.created_at,
           (select count(*) from job l where l.experiment_id = e.experiment_id and l.kind = $1 and l.state = 'leased') as leased
    from experiment e
    where e.state = 'running'
), pick as (
    select ready.job_id
    from (select * from open order by leased, array_position($5::uuid[], experiment_id) nulls first, created_at) o
    cross join lateral (
        select job_id from job j
        where j.experiment_id = o.experiment_id and j.kind = $1 and j.state = 'ready' and j.not_before <= now()
        order by j.rank
        limit $2
        for update skip locked
    ) ready
    limit $2
), won as (
    update job
    set state = 'leased', fence = fence + 1, worker_id = $3, leased_until = now() + $4::interval, units_done = 0
    from pick
    where job.job_id = pick.job_id
    returning job.*
), recorded as (
    insert into attempt (job_id, fence, worker_id) select job_id, fence, worker_id from won
)
select job_id as "job_id!", experiment_id as "experiment_id!", iteration as "iteration!", purpose as "purpose!", kind as "kind!",
       chunk as "chunk!", part as "part!", problems as "problems!", first_sample as "first_sample!", samples as "samples!",
       fence as "fence!", traceparent as "traceparent!"
from won
order by rank
