-- $1 worker, $2 jobs it knows of, $3 lease, $4 capacity. A job that another call works on at the moment is left for the next time.
update job
set leased_until = now() + $3::interval
where job_id in (
    select job_id from job
    where worker_id = $1 and state = 'leased' and job_id <> all($2::uuid[])
    order by rank
    limit $4
    for update skip locked
)
returning job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, first_sample, samples, fence, traceparent
