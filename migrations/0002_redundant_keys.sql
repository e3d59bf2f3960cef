-- What a rollout's problem refers to already: checked a second time for every row.
alter table rollout drop constraint rollout_experiment_id_fkey;
