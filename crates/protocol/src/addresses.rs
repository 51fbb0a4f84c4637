//! Address reports.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ProtocolError;
use crate::object::Object;

/// All addresses that the device's name should have, at most four. An empty report removes the name from the zone.
///
/// ```
/// use fleetcert_protocol::AddressReport;
///
/// let report = AddressReport::new(["10.1.1.4".parse()?, "fd00::4".parse()?])?;
/// assert_eq!(serde_json::to_string(&report)?, r#"{"addresses":["10.1.1.4","fd00::4"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object<AnyAddresses>")]
pub struct AddressReport {
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyAddresses {
    addresses: Vec<IpAddr>,
}

impl AddressReport {
    /// Maximum addresses of one device.
    pub const MAX: usize = 4;

    /// Makes a report.
    ///
    /// # Errors
    /// [`Malformed`](crate::ProtocolErrorKind::Malformed) for more than [`MAX`](Self::MAX).
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, ProtocolError> {
        let addresses: Vec<IpAddr> = addresses.into_iter().take(Self::MAX + 1).collect();
        if addresses.len() > Self::MAX {
            return Err(ProtocolError::malformed("a device reports at most four addresses"));
        }
        Ok(Self { addresses })
    }

    /// Returns the addresses, as reported.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }
}

impl TryFrom<Object<AnyAddresses>> for AddressReport {
    type Error = ProtocolError;

    fn try_from(Object(reported): Object<AnyAddresses>) -> Result<Self, ProtocolError> {
        Self::new(reported.addresses)
    }
}

/// The answer to an [`AddressReport`]: the addresses are stored, and the zone follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesAccepted {
    /// Whether the addresses differ from the previous ones.
    pub changed: bool,
}
