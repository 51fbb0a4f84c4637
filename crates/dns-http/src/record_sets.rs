//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod edit;
mod guesses;
mod locks;
mod read;
mod spelling;
mod text;

pub(crate) use edit::{Edit, Key, SetChange, edits};
pub(crate) use guesses::{Guesses, Held, Remembered, Sets};
pub(crate) use locks::{Locks, lock_within};
pub(crate) use read::read_each;
pub(crate) use spelling::{Respelled, Spelled, Spelling};
pub(crate) use text::{content, parsed, type_name};
