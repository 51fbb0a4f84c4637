//! Chains from a CA: parsing and checking.

mod bundle;
mod check;
mod leaf;
pub(crate) mod link;
mod roots;
mod server_files;
#[cfg(test)]
mod tests;
mod validity;

pub use bundle::Chain;
pub use check::{ChainFault, Expectation};
pub use leaf::Leaf;
pub use roots::Roots;
pub use server_files::{PemFile, ServerFiles};
pub use validity::Validity;
