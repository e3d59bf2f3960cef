-- One array a column, but for $8 and $9: how many problems each job has, and the problems of all
-- jobs one after the other, for Postgres has no arrays of arrays that differ in length. $12 units.
with new as (
    -- Where each job begins among the problems of all.
    select *, sum(problem_count) over (order by place) - problem_count as before
    from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[], $10::int[], $11::int[],
                $12::bigint[], $13::text[])
         with ordinality as new (job_id, experiment_id, iteration, purpose, kind, chunk, part, problem_count, first_sample, samples,
                                 units_total, traceparent, place)
)
insert into job (job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, first_sample, samples, state, units_total, traceparent)
select job_id, experiment_id, iteration, purpose, kind, chunk, part, ($9::int[])[before::int + 1 : before::int + problem_count], first_sample,
       samples, 'ready', units_total, traceparent
from new
order by place
-- A step that is taken twice, or results that are sent twice, make their jobs once.
on conflict (experiment_id, iteration, purpose, kind, chunk, part) do nothing
