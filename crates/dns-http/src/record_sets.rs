//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod edit;
mod locks;
mod rewrite;

pub(crate) use edit::{Edit, Key, edits};
pub(crate) use locks::{Locked, Locks};
pub(crate) use rewrite::{RecordSets, SetChange, rewrite};

#[cfg(test)]
mod tests;
