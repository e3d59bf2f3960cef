-- $1 experiment. Lets go of its artifacts: the collector removes those to which nothing refers any more, a day from now.
with own as (
    select config_digest as digest from adapter where experiment_id = $1
    union select weights_digest from adapter where experiment_id = $1
    union select optimiser_digest from adapter where experiment_id = $1
    union select training_set_digest from iteration where experiment_id = $1
), dropped as (
    -- In the order of their digests, as wherever several are locked.
    select digest from artifact join own using (digest) order by digest for no key update of artifact
)
update artifact set created_at = now() from dropped where artifact.digest = dropped.digest
