-- Events are kept as a kind and its fields; sentences are made from them when they are read. Those from before go: no version that
-- wrote them was released.
delete from event;
alter table event
    drop column message,
    add column kind text not null check (kind <> ''),
    -- A JSON object.
    add column fields text not null;
