//! Hostile CSRs, each refused by its code, and properties that hold for all bytes.

mod builder;
mod hostile;
mod properties;
