-- $1 the job's place among those asked for, $2 experiment, $3 iteration, $4 purpose, $5 problem, $6 and $7 first sample and the one after the last.
select place as "place!", problem as "problem!", sample, text,
       candidate_start, candidate_end, candidate_indent, candidate_reason
from unnest($1::int[], $2::uuid[], $3::int[], $4::text[], $5::int[], $6::int[], $7::int[])
     as asked (place, experiment_id, iteration, purpose, problem, first_sample, end_sample)
join rollout r using (experiment_id, iteration, purpose, problem)
where r.sample >= first_sample and r.sample < end_sample
order by place, problem, sample
