//! The decision whether a device may do something.

use std::fmt;

use async_trait::async_trait;

use crate::{Action, Caller};

/// Decides what an authenticated device may do to its own identifiers; nobody may touch another's.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_engine::{Action, Authorizer, Caller, Denial};
///
/// /// Devices report addresses and read certificates; nothing new is ordered.
/// #[derive(Debug)]
/// struct NoOrders;
///
/// #[async_trait]
/// impl Authorizer for NoOrders {
///     async fn decide(&self, _: &Caller, action: Action) -> Result<(), Denial> {
///         match action {
///             Action::RequestCertificate => Err(Denial("orders are closed".into())),
///             _ => Ok(()),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Returns whether the caller may do `action`.
    ///
    /// # Errors
    /// The reason why not, as the device's owner may read it. Every `Err` is a no.
    async fn decide(&self, caller: &Caller, action: Action) -> Result<(), Denial>;
}

/// A refusal, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial(pub String);

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denial {}

/// The default authorizer: an active device may do everything to its own name.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnName;

#[async_trait]
impl Authorizer for OwnName {
    async fn decide(&self, _: &Caller, _: Action) -> Result<(), Denial> {
        Ok(())
    }
}
