-- Workers heard of within a day that have not left, each with the first of the jobs it holds.
-- $1: the silence after which one counts as gone.
select w.worker_id, w.kind, w.host, w.device, w.threads, w.version,
       (extract(epoch from w.seen_at) * 1000)::bigint as "seen_unix_ms!",
       w.seen_at > now() - $1::interval as "alive!",
       held.experiment_id as "experiment_id?", held.job_id as "job_id?", held.name as "name?",
       held.iteration as "iteration?", held.purpose as "purpose?",
       held.units_done as "units_done?", held.units_total as "units_total?",
       (extract(epoch from held.started_at) * 1000)::bigint as "started_unix_ms?"
from worker w
left join lateral (
    select job.experiment_id, job.job_id, name, job.iteration, purpose, units_done, units_total,
           started_at
    from job join experiment using (experiment_id) join attempt using (job_id, fence)
    where job.worker_id = w.worker_id and job.state = 'leased'
    order by rank
    limit 1
) held on true
where w.left_at is null and w.seen_at > now() - interval '1 day'
order by w.kind, w.host, w.worker_id
