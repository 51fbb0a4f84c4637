//! Hostile CSRs, each refused by its code; properties that hold for all bytes; and millions of mutations.

mod builder;
mod hostile;
mod mutations;
mod policy;
mod properties;
mod sentences;
