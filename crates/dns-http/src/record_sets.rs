//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod call;
mod edit;
mod guesses;
mod locks;
mod raw;
mod rewrite;
mod spelled;

pub(crate) use call::{begin, read_each, shown};
pub(crate) use edit::{Edit, Key, edits};
pub(crate) use guesses::{Guesses, Held, Remembered};
pub(crate) use locks::{Locks, lock_within};
pub(crate) use raw::{content, parsed, type_name};
pub(crate) use rewrite::{RecordSets, SetChange, rewrite};
pub(crate) use spelled::{Respelled, Spelled, Spelling};

#[cfg(test)]
mod tests;
