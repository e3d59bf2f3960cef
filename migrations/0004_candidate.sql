-- Which bytes of a completion are its code, and why: decided once, by the worker that generated it. Null: not recorded, found again at every
-- verification.
alter table rollout
    add column candidate_start int,
    add column candidate_end int,
    add column candidate_indent int check (candidate_indent >= 0),
    add column candidate_reason text check (candidate_reason in ('defines_entry', 'before_fence', 'beside_blocks', 'python_block',
        'first_block', 'whole_text', 'nothing')),
    add constraint rollout_candidate check ((candidate_start is null) = (candidate_reason is null)
        and (candidate_end is null) = (candidate_reason is null) and (candidate_indent is null) = (candidate_reason is null)
        and (candidate_reason is null or (0 <= candidate_start and candidate_start <= candidate_end and candidate_end <= octet_length(text))));
