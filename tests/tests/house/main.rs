//! What the house asks of its own source: arrows between crates, no circles between files, lines and
//! names that can be read.

mod arrows;
mod circles;
mod imports;
mod sources;
mod text;
