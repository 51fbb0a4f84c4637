//! The rules, one file for each part of a CSR.

mod attributes;
mod extensions;
mod key;
mod names;
mod subject;

pub(super) use attributes::extension_request;
pub(super) use key::key_and_signature;
pub(super) use names::names;
pub(super) use subject::subject;
