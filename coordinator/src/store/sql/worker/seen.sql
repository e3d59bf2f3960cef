-- $1 workers; those that have left are not known.
with silent as (
    -- A write only every few seconds: a call that writes nothing else need not write. Locked in the
    -- order of ids, as wherever several rows are.
    select worker_id from worker where worker_id = any($1) and seen_at < now() - interval '3 s' order by worker_id for no key update
), touched as (
    update worker set seen_at = now() from silent where worker.worker_id = silent.worker_id
)
select worker_id, kind, python from worker where worker_id = any($1) and left_at is null
