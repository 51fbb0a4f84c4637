//! Where a device is.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ProtocolError;
use crate::object::Object;

/// All addresses that the device's name should have; none takes the name out of the zone. At most four.
///
/// ```
/// use fleetcert_protocol::AddressReport;
///
/// let report = AddressReport::new(["10.1.1.4".parse()?, "fd00::4".parse()?])?;
/// assert_eq!(serde_json::to_string(&report)?, r#"{"addresses":["10.1.1.4","fd00::4"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object<Unbounded>")]
pub struct AddressReport {
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbounded {
    addresses: Vec<IpAddr>,
}

impl AddressReport {
    /// The most addresses of one device.
    pub const MAX: usize = 4;

    /// A report of these addresses.
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

    /// The addresses, as reported.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }
}

impl TryFrom<Object<Unbounded>> for AddressReport {
    type Error = ProtocolError;

    fn try_from(Object(unbounded): Object<Unbounded>) -> Result<Self, ProtocolError> {
        Self::new(unbounded.addresses)
    }
}

/// The addresses are noted; the zone follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesAccepted {
    /// Whether they differ from those before.
    pub changed: bool,
}
