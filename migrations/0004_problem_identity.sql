-- What tells a problem from all others wherever it stands: the draws of its rollouts come from it. Null in rows of older versions, whose draws come
-- from the ordinal, so that an experiment that was begun goes on with the draws it had.
alter table problem add column identity text check (identity ~ '^sha256:[0-9a-f]{64}$');
