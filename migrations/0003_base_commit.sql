-- Where the model is a hub id: its commit, fixed by the first result as base_digest is.
alter table experiment add column base_commit text check (base_commit ~ '^[0-9a-f]{40}$');
