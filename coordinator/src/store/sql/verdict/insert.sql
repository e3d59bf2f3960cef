-- One array a column, all of the same length.
insert into verdict (
    job_id, rollout_id, verdict, visible_passed, visible_total, hidden_passed, hidden_total,
    correct, shortcut, failed_case, got, expected, error, code, cpu_ms, wall_ms, peak_memory_kb
)
select * from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[],
    $8::bool[], $9::bool[], $10::int[], $11::text[], $12::text[], $13::text[], $14::bytea[],
    $15::float8[], $16::float8[], $17::bigint[]
)
