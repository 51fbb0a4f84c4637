//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod edit;
mod locks;
mod raw;
mod rewrite;

pub(crate) use edit::{Edit, Key, edits};
pub(crate) use locks::{Locked, Locks, lock_within};
pub(crate) use raw::{content, parsed, type_name};
pub(crate) use rewrite::{RecordSets, SetChange, rewrite};

#[cfg(test)]
mod tests;
