-- $1 silence after which a worker counts as gone. Workers of the last day by kind and state.
select kind as "kind!", state as "state!", count(*) as "count!"
from (
    select kind,
           case when seen_at <= now() - $1::interval then 'gone'
                when exists (select from job
                             where job.worker_id = worker.worker_id and job.state = 'leased')
                    then 'busy'
                else 'idle' end as state
    from worker
    where left_at is null and seen_at > now() - interval '1 day'
) known
group by kind, state
