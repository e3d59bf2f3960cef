-- $1 kind, $2 experiments, $3 how many jobs of each, $4 workers, one for each job, $5 lease.
-- Within an experiment jobs go out in the order they were made.
with pick as (
    select ready.job_id, (row_number() over (order by ready.rank))::int as place
    from unnest($2::uuid[], $3::int[]) as share (experiment_id, jobs)
    -- The partial index job_ready serves each experiment by itself, so no other jobs are read.
    cross join lateral (
        select job_id, rank from job j
        -- A job that failed or was lost rests until then.
        where j.experiment_id = share.experiment_id and j.kind = $1 and j.state = 'ready' and j.not_before <= now()
        order by j.rank
        limit share.jobs
        -- Whoever holds one of these rows is about to take it away: waiting for that would hold up
        -- the whole group.
        for no key update skip locked
    ) ready
), won as (
    update job
    -- The new fence shuts out every earlier holder. A job keeps its last holder until this moment,
    -- so one that is merely late may finish as long as nobody claims.
    set state = 'leased', fence = fence + 1, worker_id = ($4::uuid[])[pick.place], leased_until = now() + $5::interval, units_done = 0
    from pick
    where job.job_id = pick.job_id
    returning job.*
), recorded as (
    -- In the same statement: no claim is without its record.
    insert into attempt (job_id, fence, worker_id) select job_id, fence, worker_id from won
)
select job_id as "job_id!", experiment_id as "experiment_id!", iteration as "iteration!", purpose as "purpose!", kind as "kind!",
       chunk as "chunk!", part as "part!", problems as "problems!", first_sample as "first_sample!", samples as "samples!",
       fence as "fence!", worker_id, traceparent as "traceparent!"
from won
order by rank
