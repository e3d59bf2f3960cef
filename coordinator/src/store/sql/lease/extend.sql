-- $1 worker, $2 jobs, $3 fences, $4 units done, $5 units in all (0: as planned), $6 lease. Answers
-- the jobs to keep: extended, or done by this very attempt.
with held as (
    select * from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) as held (job_id, fence, units_done, units_total)
), locked as (
    -- Locked in the order of their ids, as wherever several jobs are locked at once.
    select job.job_id, held.fence, held.units_done, held.units_total from job join held using (job_id) order by job.job_id for update of job
), extended as (
    update job
    -- Also from ready: the lease expired and nobody has claimed the job since. Progress only grows:
    -- a heartbeat that was overtaken takes nothing back.
    set state = 'leased', leased_until = now() + $6::interval, units_done = greatest(job.units_done, locked.units_done),
        units_total = case when locked.units_total > 0 then locked.units_total else job.units_total end
    from locked
    where job.job_id = locked.job_id and job.fence = locked.fence and job.worker_id = $1 and job.state in ('leased', 'ready')
    returning job.job_id, job.fence
), revived as (
    -- The sweep has recorded the attempt as lost. It was not.
    update attempt set outcome = 'running', ended_at = null
    from extended
    where attempt.job_id = extended.job_id and attempt.fence = extended.fence and attempt.outcome = 'lost'
)
select job_id from extended
union all
-- Its results arrived before this heartbeat: the worker need not drop anything.
select job.job_id from job join held using (job_id, fence) where job.state = 'done'
