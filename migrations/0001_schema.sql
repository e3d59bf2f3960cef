-- The whole state of the coordinator. Until version 0.2 this file may change, and a database made by an earlier one is refused by name;
-- from then on a shipped migration never changes and later ones add to it.
-- Digests are written `sha256:` and 64 hex digits. Text that a model or a candidate wrote is bytea, for it may hold NUL.

create table experiment (
    experiment_id uuid primary key,
    idempotency_key text not null unique check (idempotency_key <> ''),
    name text not null check (name <> ''),
    -- JSON with all defaults filled in, kept as it was submitted.
    config text not null,
    state text not null check (state in ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    -- Why it is paused, failed, or stopped early.
    reason text not null default '',
    -- The current iteration, and the last one: the configured number unless stopped before.
    iteration int not null default 0 check (iteration >= 0),
    last_iteration int not null check (last_iteration >= iteration),
    -- Fixed by the first result.
    base_digest text check (base_digest ~ '^sha256:[0-9a-f]{64}$'),
    -- The version of Python that judges; fixed by the first verdict.
    python text check (python ~ '^[0-9]+\.[0-9]+$'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index experiment_name on experiment (name);
create index experiment_open on experiment (created_at) where state in ('queued', 'running', 'paused');

create table problem (
    experiment_id uuid not null references experiment,
    -- Counts from 0 through train, val, test and ood.
    ordinal int not null check (ordinal >= 0),
    split text not null check (split in ('train', 'val', 'test', 'ood')),
    family text not null,
    rule text not null,
    difficulty int not null check (difficulty between 1 and 10),
    prompt text not null,
    entry text not null,
    signature text not null,
    primary key (experiment_id, ordinal)
);

create table problem_case (
    experiment_id uuid not null,
    ordinal int not null,
    position int not null check (position >= 0),
    family text not null,
    rule text not null,
    -- SHA-256 of the case's canonical form.
    canonical text not null check (canonical ~ '^sha256:[0-9a-f]{64}$'),
    args text not null,
    expected text not null,
    visible boolean not null,
    primary key (experiment_id, ordinal, position),
    foreign key (experiment_id, ordinal) references problem,
    -- Disjointness of the splits: no case is asked twice.
    constraint problem_case_disjoint unique (experiment_id, family, rule, canonical)
);

create table artifact (
    digest text primary key check (digest ~ '^sha256:[0-9a-f]{64}$'),
    size bigint not null check (size >= 0),
    created_at timestamptz not null default now()
);

-- The adapter that an iteration starts from; iteration 0 has none: the untrained model.
create table adapter (
    experiment_id uuid not null references experiment,
    iteration int not null check (iteration >= 1),
    adapter_id text not null check (adapter_id ~ '^sha256:[0-9a-f]{64}$'),
    -- Null once the files are no longer kept; of the optimiser's states the newest alone is.
    config_digest text references artifact check (config_digest ~ '^sha256:[0-9a-f]{64}$'),
    weights_digest text references artifact check (weights_digest ~ '^sha256:[0-9a-f]{64}$'),
    optimiser_digest text references artifact check (optimiser_digest ~ '^sha256:[0-9a-f]{64}$'),
    -- False where it was carried over because there was nothing to train on.
    trained boolean not null,
    created_at timestamptz not null default now(),
    primary key (experiment_id, iteration),
    check ((config_digest is null) = (weights_digest is null))
);

create table iteration (
    experiment_id uuid not null references experiment,
    iteration int not null check (iteration >= 0),
    -- Decided after the evaluation, null before: whether the experiment ends with it, and why.
    stop boolean,
    stop_reason text,
    -- Set when the rollouts' phase has closed: how many are trained on, and the artifact they are in.
    selected int check (selected >= 0),
    training_set_digest text references artifact check (training_set_digest ~ '^sha256:[0-9a-f]{64}$'),
    -- Set when training is done: examples, and tokens that went through over all epochs.
    examples int check (examples >= 0),
    tokens bigint check (tokens >= 0),
    -- The line of iterations.jsonl, once the iteration is over.
    line text,
    created_at timestamptz not null default now(),
    primary key (experiment_id, iteration),
    check (selected is null or selected = 0 or training_set_digest is not null),
    check (coalesce(stop, false) = (stop_reason is not null))
);

create table worker (
    worker_id uuid primary key,
    kind text not null check (kind in ('generate', 'verify', 'train')),
    host text not null,
    device text not null,
    threads int not null check (threads >= 0),
    version text not null,
    -- Of a verification worker.
    python text check (python ~ '^[0-9]+\.[0-9]+$'),
    registered_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    -- When it said that it ends; registering again clears it.
    left_at timestamptz
);

create table job (
    job_id uuid primary key,
    -- The order in which jobs were made and are handed out.
    rank bigint generated always as identity,
    experiment_id uuid not null references experiment,
    iteration int not null check (iteration >= 0),
    purpose text not null check (purpose in ('train', 'eval')),
    kind text not null check (kind in ('generate', 'verify', 'train')),
    chunk int not null check (chunk >= 0),
    -- 0: the whole chunk; 1 and up: a single rollout of a chunk that was split.
    part int not null default 0 check (part >= 0),
    -- The rollouts: every problem times the samples [first_sample, first_sample + samples). Empty for training.
    problems int[] not null,
    first_sample int not null check (first_sample >= 0),
    samples int not null check (samples >= 0),
    state text not null check (state in ('ready', 'leased', 'done', 'split', 'cancelled')),
    -- Grows with every claim and with cancelling; a result with another one is refused.
    fence bigint not null default 0,
    worker_id uuid references worker,
    leased_until timestamptz,
    -- A job that was lost or failed waits until then.
    not_before timestamptz not null default now(),
    losses int not null default 0 check (losses >= 0),
    failures int not null default 0 check (failures >= 0),
    units_done bigint not null default 0 check (units_done >= 0),
    units_total bigint not null check (units_total >= 0),
    -- Time the work itself took.
    seconds double precision not null default 0,
    traceparent text not null default '',
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (experiment_id, iteration, purpose, kind, chunk, part),
    check (state <> 'leased' or (worker_id is not null and leased_until is not null)),
    check ((state = 'done') = (finished_at is not null))
);
create index job_ready on job (experiment_id, kind, rank) where state = 'ready';
create index job_leased on job (leased_until) where state = 'leased';
create index job_leased_worker on job (worker_id, kind) where state = 'leased';
create index job_leased_experiment on job (experiment_id, kind) where state = 'leased';

create table attempt (
    job_id uuid not null references job,
    fence bigint not null,
    worker_id uuid not null references worker,
    outcome text not null default 'running' check (outcome in ('running', 'done', 'failed', 'lost', 'cancelled')),
    reason text not null default '',
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (job_id, fence)
);

create table rollout (
    rollout_id bigint generated always as identity primary key,
    -- Refers to its experiment through its problem alone: a second check for every row would cost time.
    experiment_id uuid not null,
    iteration int not null check (iteration >= 0),
    purpose text not null check (purpose in ('train', 'eval')),
    problem int not null,
    -- Of an evaluation, sample 0 is the greedy one.
    sample int not null check (sample >= 0),
    job_id uuid not null references job,
    -- Token ids, four bytes each, little-endian.
    tokens bytea not null check (octet_length(tokens) % 4 = 0),
    text bytea not null,
    finish text not null check (finish in ('stop', 'length')),
    prompt_tokens int not null check (prompt_tokens >= 0),
    mean_logprob double precision not null,
    -- The log-probability of each token, where the method asks for them: four bytes each, little-endian floats.
    token_logprobs bytea check (octet_length(token_logprobs) = octet_length(tokens)),
    -- Which bytes of the text are its code, and why: decided once, by the worker that generated it. Null: not recorded, found again at
    -- every verification.
    candidate_start int,
    candidate_end int,
    candidate_indent int check (candidate_indent >= 0),
    candidate_reason text check (candidate_reason in ('defines_entry', 'before_fence', 'beside_blocks', 'python_block',
        'first_block', 'whole_text', 'nothing')),
    unique (experiment_id, iteration, purpose, problem, sample),
    foreign key (experiment_id, problem) references problem (experiment_id, ordinal),
    constraint rollout_candidate check ((candidate_start is null) = (candidate_reason is null)
        and (candidate_end is null) = (candidate_reason is null) and (candidate_indent is null) = (candidate_reason is null)
        and (candidate_reason is null or (0 <= candidate_start and candidate_start <= candidate_end and candidate_end <= octet_length(text))))
);

-- Inserted beside a rollout, never updated. An infrastructure error is not a verdict.
create table verdict (
    rollout_id bigint primary key references rollout,
    job_id uuid not null references job,
    verdict text not null check (verdict in ('passed', 'wrong_answer', 'runtime_error', 'timeout', 'out_of_memory',
        'output_limit', 'syntax_error', 'missing_function', 'no_code', 'forbidden')),
    visible_passed int not null check (visible_passed between 0 and visible_total),
    visible_total int not null,
    hidden_passed int not null check (hidden_passed between 0 and hidden_total),
    hidden_total int not null,
    correct boolean not null,
    shortcut boolean not null,
    failed_case int check (failed_case >= 0),
    -- Escaped and of limited length.
    got text,
    expected text,
    error text not null,
    code bytea not null,
    cpu_ms double precision not null,
    wall_ms double precision not null,
    peak_memory_kb bigint not null,
    check (not (correct and shortcut)),
    check ((failed_case is null) = (got is null) and (got is null) = (expected is null))
);

create table metric (
    experiment_id uuid not null references experiment,
    iteration int not null check (iteration >= 0),
    -- The line of metrics.jsonl.
    line text not null,
    created_at timestamptz not null default now(),
    primary key (experiment_id, iteration)
);

create table training_step (
    experiment_id uuid not null references experiment,
    iteration int not null check (iteration >= 0),
    step int not null check (step >= 0),
    loss double precision not null,
    grad_norm double precision not null,
    learning_rate double precision not null,
    tokens bigint not null check (tokens >= 0),
    primary key (experiment_id, iteration, step)
);

create table event (
    event_id bigint generated always as identity primary key,
    experiment_id uuid not null references experiment,
    at timestamptz not null default now(),
    level text not null check (level in ('info', 'warn', 'error')),
    -- What happened: the kind, and a JSON object. The sentence that people read is made from them.
    kind text not null check (kind <> ''),
    fields text not null
);
create index event_experiment on event (experiment_id, event_id);
