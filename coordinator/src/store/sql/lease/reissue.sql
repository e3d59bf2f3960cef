-- $1 workers, $2 how many jobs each takes, $3 and $4 jobs that they know of (the worker and
-- the job), $5 lease, $6 kind. The fence stays: the attempt is the one whose answer was lost.
with unknown as (
    select job.job_id
    from unnest($1::uuid[], $2::int[]) as asking (worker_id, capacity)
    cross join lateral (
        select job_id from job j
        where j.worker_id = asking.worker_id and j.kind = $6 and j.state = 'leased'
          -- A job of a paused experiment is left until its lease expires. No join: it could begin
          -- with the experiment, and read all its leased jobs for every worker that asks.
          and (select state from experiment where experiment.experiment_id = j.experiment_id) = 'running'
          and not exists (
              -- What it holds it is working on.
              select from unnest($3::uuid[], $4::uuid[]) as known (worker_id, job_id)
              where known.worker_id = j.worker_id and known.job_id = j.job_id)
        order by j.rank
        limit asking.capacity
        -- A job that another call works on at this moment is left for the next time.
        for no key update of j skip locked
    ) job
)
update job
set leased_until = now() + $5::interval
from unknown
where job.job_id = unknown.job_id
returning job.job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, first_sample, samples, fence, worker_id, traceparent
