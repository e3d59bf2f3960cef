-- $1 kind, $2 how many ready jobs to count at most, $3 the version of Python of those who ask (null:
-- it does not matter). Of running experiments that have any.
select experiment_id as "experiment_id!", leased as "leased!", ready as "ready!"
from experiment e
cross join lateral (
    -- A limit inside the count: an experiment may have many more ready jobs than anybody asks for.
    select count(*) as ready from (
        select from job j
        where j.experiment_id = e.experiment_id and j.kind = $1 and j.state = 'ready' and j.not_before <= now()
        order by j.rank
        limit $2) counted
) claimable
cross join lateral (
    select count(*) as leased from job l where l.experiment_id = e.experiment_id and l.kind = $1 and l.state = 'leased'
) held
where e.state = 'running' and ready > 0
  -- All verdicts of an experiment are one version's; the first one fixes it.
  and ($3::text is null or e.python is null or e.python = $3)
order by e.created_at
