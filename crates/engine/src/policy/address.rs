//! The decision which addresses a device may publish.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decides whether an address may be published in the zone.
///
/// ```
/// use fleetcert_engine::{AddressPolicy, PrivateAddresses};
///
/// assert!(PrivateAddresses.check("10.1.1.4".parse()?).is_ok());
/// let refused = PrivateAddresses.check("127.0.0.1".parse()?).unwrap_err();
/// assert!(refused.to_string().starts_with("127.0.0.1 is not in a private network"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub trait AddressPolicy: Send + Sync + fmt::Debug {
    /// Returns whether the address may be published.
    ///
    /// # Errors
    /// The address and the reason, as its owner may read it.
    fn check(&self, address: IpAddr) -> Result<(), AddressRefusal>;
}

/// An address that may not be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRefusal {
    /// Address that was refused.
    pub address: IpAddr,
    /// Reason, as the end of a sentence that begins with the address.
    pub why: &'static str,
}

impl fmt::Display for AddressRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.why)
    }
}

impl std::error::Error for AddressRefusal {}

/// The default policy: addresses of private networks only, `10/8`, `172.16/12`, `192.168/16` (RFC 1918) and `fd00::/8`
/// (RFC 4193).
///
/// A name that points at a foreign host would make the zone a tool for attacks on that host. A name that points at
/// the loopback address invites software to ship its key to every user.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivateAddresses;

/// Metadata service of AWS under `fd00::/8`, which gives credentials to every client.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

impl AddressPolicy for PrivateAddresses {
    fn check(&self, address: IpAddr) -> Result<(), AddressRefusal> {
        let why = match address {
            IpAddr::V4(v4) => v4_fault(v4),
            IpAddr::V6(v6) => v6_fault(v6),
        };
        why.map_or(Ok(()), |why| Err(AddressRefusal { address, why }))
    }
}

fn v4_fault(address: Ipv4Addr) -> Option<&'static str> {
    (!address.is_private()).then_some("is not in a private network (10/8, 172.16/12 or 192.168/16)")
}

fn v6_fault(address: Ipv6Addr) -> Option<&'static str> {
    if address.to_ipv4_mapped().is_some() {
        Some("is an IPv4 address in IPv6 form: report it as IPv4")
    } else if address == METADATA_V6 {
        Some("is a cloud's metadata service")
    } else if address.octets()[0] != 0xfd {
        Some("is not in a private network (fd00::/8)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_allowed() {
        for address in ["10.1.1.4", "172.16.0.1", "172.31.255.254", "192.168.0.1", "fd12:3456::1"] {
            assert_eq!(PrivateAddresses.check(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.2.1",
            "172.32.0.1",
            "192.167.1.1",
            "8.8.8.8",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "11.0.0.1",
            "198.18.0.1",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "100::1",
            "2001:db8::1",
            "2002:a00:1::",
            "fe80::1",
            "ff02::1",
            "fc00::1",
            "fd00:ec2::254",
            "2a00::1",
        ] {
            assert!(PrivateAddresses.check(address.parse().unwrap()).is_err(), "{address}");
        }
    }
}
