-- When a worker said that it ends; registering again clears it.
alter table worker add column left_at timestamptz;
