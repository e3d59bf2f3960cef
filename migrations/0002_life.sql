-- Experiments may be deleted, tagged, and made from another one.

alter table experiment
    drop constraint experiment_state_check,
    add constraint experiment_state_check
        check (state in ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled', 'deleting')),
    -- In order of the alphabet, each once.
    add column tags text[] not null default '{}',
    -- What it was forked from, and with which adapter; null: the untrained model. No reference: the parent may be deleted.
    add column parent_id uuid,
    add column parent_iteration int check (parent_iteration >= 0),
    add column parent_adapter_id text check (parent_adapter_id ~ '^sha256:[0-9a-f]{64}$'),
    add constraint experiment_parent check ((parent_id is null) = (parent_iteration is null)
        and (parent_id is not null or parent_adapter_id is null));
create index experiment_deleting on experiment (created_at) where state = 'deleting';

-- A fork's iteration 0 starts from its parent's adapter.
alter table adapter
    drop constraint adapter_iteration_check,
    add constraint adapter_iteration_check check (iteration >= 0);

-- Deleting a job would read all rollouts and all verdicts there are for each of these. Both are written under the lock of their
-- job's row, so the job is there.
alter table rollout drop constraint rollout_job_id_fkey;
alter table verdict drop constraint verdict_job_id_fkey;
