-- $1 experiment, $2 the newest iteration whose optimiser state goes, $3 the same of the adapter's files.
with let_go as (
    update adapter
    set optimiser_digest = null,
        config_digest = case when iteration > $3 then config_digest end,
        weights_digest = case when iteration > $3 then weights_digest end
    from (
        select iteration as before, config_digest as config, weights_digest as weights, optimiser_digest as optimiser
        from adapter
        where experiment_id = $1 and iteration <= $2
          and (optimiser_digest is not null or (iteration <= $3 and weights_digest is not null))
    ) old
    where experiment_id = $1 and iteration = old.before
    returning old.config, old.weights, old.optimiser
)
-- Their day begins now: a backup that has copied the database copies the files after it.
update artifact set created_at = now()
from let_go
where digest in (let_go.config, let_go.weights, let_go.optimiser)
