//! Strict DER (X.690 sections 8 and 10): each value has one encoding, and only that one is accepted.
//!
//! There is no recursion, and no allocation by a number from the input, so that hostile bytes cost time only in
//! proportion to their length.

pub(crate) mod oid;
mod reader;
mod structure;
pub(crate) mod tag;
mod writer;

pub(crate) use reader::{DerFault, Element, Reader};
pub(crate) use structure::check_document;
pub(crate) use writer::{encode, null, positive_small};
