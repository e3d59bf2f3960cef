-- Open jobs by kind. Each branch is served by the partial index of its state.
with open as (
    select kind, 0 as leased,
           (job.not_before <= now() and experiment.state = 'running')::int as ready,
           now() - greatest(job.created_at, job.not_before) as age
    from job join experiment using (experiment_id)
    where job.state = 'ready'
    union all
    select kind, 1, 0, null from job where job.state = 'leased'
)
select kind as "kind!",
       sum(ready) as "ready!",
       sum(leased) as "leased!",
       -- Made, but held back: its experiment is paused, or the job rests after a failure.
       sum(1 - ready - leased) as "waiting!",
       coalesce(extract(epoch from max(age) filter (where ready = 1)), 0)::float8
           as "oldest_ready_seconds!"
from open
group by kind
