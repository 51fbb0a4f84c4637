//! Hostile CSRs, each refused with its code; properties of arbitrary bytes; and millions of mutations.

mod builder;
mod hostile;
mod mutations;
mod policy;
mod properties;
mod sentences;
