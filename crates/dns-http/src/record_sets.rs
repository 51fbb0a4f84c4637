//! Changing values in APIs whose unit is a record set: read, merge by value, write.

mod edit;
mod guesses;
#[cfg(any(feature = "__spelling", feature = "powerdns"))]
mod read;
#[cfg(feature = "__spelling")]
mod spelling;
mod text;

pub(crate) use edit::{Edit, Key, SetChange, edits};
pub(crate) use guesses::{Guesses, Held, Remembered, Sets};
#[cfg(any(feature = "__spelling", feature = "powerdns"))]
pub(crate) use read::read_each;
#[cfg(any(feature = "route53", feature = "google"))]
pub(crate) use spelling::Respelled;
#[cfg(feature = "__spelling")]
pub(crate) use spelling::{Spelled, Spelling};
#[cfg(any(feature = "__spelling", feature = "cloudflare", feature = "powerdns"))]
pub(crate) use text::content;
pub(crate) use text::{parsed, type_name};
