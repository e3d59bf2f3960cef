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
), dropped as (
    -- In the order of their digests, as wherever several are locked: twin experiments share them.
    select digest from artifact join let_go on digest in (let_go.config, let_go.weights, let_go.optimiser)
    order by digest
    for no key update of artifact
)
-- Their day begins now: a backup of the database has a day's time to copy what it names.
update artifact set created_at = now()
from dropped
where artifact.digest = dropped.digest
