-- $1 jobs, $2 the fences of their claims, $3 seconds of work. The caller holds the jobs' rows.
-- Tells how many claims stood.
with claimed as (
    select * from unnest($1::uuid[], $2::bigint[], $3::float8[]) as claimed (job_id, fence, seconds)
), done as (
    update job
    set state = 'done', seconds = claimed.seconds, finished_at = now(), leased_until = null
    from claimed
    -- A job that is ready and has this fence still belongs to a late holder whom nobody has
    -- replaced.
    where job.job_id = claimed.job_id and job.fence = claimed.fence and job.state in ('leased', 'ready')
    returning job.job_id, job.fence
)
-- The reason may say that the lease expired: that is no longer so.
update attempt set outcome = 'done', reason = '', ended_at = now()
from done
where attempt.job_id = done.job_id and attempt.fence = done.fence
