//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod edit;
mod guesses;
mod locks;
mod raw;
mod rewrite;
mod spelled;

pub(crate) use edit::{Edit, Key, edits};
pub(crate) use guesses::{Guesses, Held, Remembered};
pub(crate) use locks::{Locked, Locks, lock_within};
pub(crate) use raw::{content, parsed, type_name};
pub(crate) use rewrite::{RecordSets, SetChange, rewrite};
pub(crate) use spelled::{Spelled, Spelling};

#[cfg(test)]
mod tests;
