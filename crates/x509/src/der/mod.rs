//! Strict DER (X.690 sections 8 and 10): one way to write each value, and only that way is read.
//!
//! Nothing here recurses and nothing allocates by a number from outside, so that hostile bytes cost time in
//! proportion to their length and no more.

pub(crate) mod oid;
mod reader;
mod structure;
pub(crate) mod tag;
mod writer;

pub(crate) use reader::{DerFault, Element, Reader};
pub(crate) use structure::check_document;
pub(crate) use writer::{encode, null, positive_small};
