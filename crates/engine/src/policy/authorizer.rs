//! May the device do this.

use std::fmt;

use async_trait::async_trait;

use crate::{Action, Caller};

/// Decides what an authenticated device may do. An `Err` of any kind is a no.
#[async_trait]
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// `Ok` when the caller may do it, to its own name; to another's nobody may.
    ///
    /// # Errors
    /// Why not, as the device's owner may read it.
    async fn decide(&self, caller: &Caller, action: Action) -> Result<(), Denial>;
}

/// A no, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial(pub String);

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denial {}

/// The default: an active device may do everything to its own name.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnName;

#[async_trait]
impl Authorizer for OwnName {
    async fn decide(&self, _: &Caller, _: Action) -> Result<(), Denial> {
        Ok(())
    }
}
