-- $1 workers; those that have left are not known. Rows are locked in the order of their ids, as wherever several are.
with silent as (
    select worker_id from worker where worker_id = any($1) and seen_at < now() - interval '3 s' order by worker_id for no key update
), touched as (
    update worker set seen_at = now() from silent where worker.worker_id = silent.worker_id
)
select worker_id, kind from worker where worker_id = any($1) and left_at is null
