-- One array a column, all of the same length.
insert into rollout (
    experiment_id, iteration, purpose, job_id, problem, sample, tokens, text, finish,
    prompt_tokens, mean_logprob, candidate_start, candidate_end, candidate_indent,
    candidate_reason, token_logprobs
)
select * from unnest(
    $1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::int[], $6::int[], $7::bytea[], $8::bytea[],
    $9::text[], $10::int[], $11::float8[], $12::int[], $13::int[], $14::int[], $15::text[],
    $16::bytea[]
)
