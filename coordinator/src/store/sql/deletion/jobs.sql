-- $1 experiment, $2 how many at most.
with gone as (
    -- A worker whose result comes at this moment holds its job's row; the order is that in which others lock jobs.
    select job_id from job where experiment_id = $1 order by job_id limit $2 for update
), untried as (
    delete from attempt using gone where attempt.job_id = gone.job_id
)
delete from job using gone where job.job_id = gone.job_id
