-- $1 experiment, $2–$7 filters (null: any), $8–$11 the place to go on after (at least the beginning
-- of iteration $2), $12 how many. Both bounds on the iteration serve the index also where the plan
-- does not know the values.
select r.iteration, r.purpose, p.split, p.family, p.rule, r.problem, r.sample, r.text,
       -- Four bytes a token id.
       octet_length(r.tokens) / 4 as "tokens!", r.prompt_tokens, r.finish, r.mean_logprob,
       r.candidate_start, r.candidate_end, r.candidate_reason,
       v.verdict as "verdict?",
       v.visible_passed as "visible_passed?", v.visible_total as "visible_total?",
       v.hidden_passed as "hidden_passed?", v.hidden_total as "hidden_total?",
       v.correct as "correct?", v.shortcut as "shortcut?",
       v.failed_case as "failed_case?", v.got as "got?", v.expected as "expected?",
       v.error as "error?", v.code as "code?",
       v.cpu_ms as "cpu_ms?", v.wall_ms as "wall_ms?", v.peak_memory_kb as "peak_memory_kb?"
from rollout r
join problem p on p.experiment_id = r.experiment_id and p.ordinal = r.problem
-- A rollout that waits for its verdict is shown without one.
left join verdict v using (rollout_id)
where r.experiment_id = $1
  and r.iteration <= coalesce($2::int, 2147483647)
  and ($3::text is null or r.purpose = $3)
  and ($4::text is null or p.split = $4)
  and ($5::text is null or p.family = $5)
  and ($6::text is null or v.verdict = $6)
  and ($7::int is null or r.problem = $7)
  and (r.iteration, r.purpose, r.problem, r.sample) > ($8::int, $9::text, $10::int, $11::int)
order by r.iteration, r.purpose, r.problem, r.sample
limit $12
