-- $1 job, $2 fence, $3 worker, $4 how many failures to count: 0 where it was merely released.
update job
-- Without a holder the fence belongs to nobody, so nothing that this worker still sends is taken.
set state = 'ready', worker_id = null, leased_until = null, units_done = 0, failures = failures + $4::int,
    -- 0.5 s, 1 s, 2 s and so on up to a minute. Released: none, for $4 is 0.
    not_before = now() + $4::int * interval '0.5 s' * least(120, power(2, losses + failures))
-- Also from ready: a late holder may give up too.
where job_id = $1 and fence = $2 and worker_id = $3 and state in ('leased', 'ready')
returning job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, first_sample, samples, fence, worker_id, traceparent,
          losses, failures
