//! The settings of a zone: everything except the records of devices.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fleetcert_dns::Ttl;
use fleetcert_names::{DomainName, NameError};

/// The settings of a zone: its name, its servers, and the records at its apex, which no device and no update changes.
///
/// ```
/// use fleetcert_nameserver::{Caa, NameServerHost, ZoneSettings};
///
/// let host = NameServerHost {
///     name: "ns1.fleet.test".parse()?,
///     addresses: ["192.0.2.53".parse()?].into(),
/// };
/// let mut zone = ZoneSettings::new("fleet.test".parse()?, [host]);
/// zone.caa.push(Caa {
///     critical: false,
///     tag: "issue".to_owned(),
///     value: "letsencrypt.org; validationmethods=dns-01".to_owned(),
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZoneSettings {
    /// Name of the zone.
    pub origin: DomainName,
    /// Servers that the parent zone delegates to. The first is the primary server of the SOA record.
    pub name_servers: Vec<NameServerHost>,
    /// Mailbox of the administrator, as in the SOA record: `hostmaster.fleet.test`. `None` for `hostmaster` in the
    /// zone.
    pub hostmaster: Option<DomainName>,
    /// TTL of SOA, NS and CAA records and of the servers' addresses.
    pub ttl: Ttl,
    /// Time that resolvers cache the absence of a name or type (RFC 2308). At most 60 seconds, because a CA's resolver
    /// that has cached an absence fails the next validation.
    pub negative_ttl: Ttl,
    /// CAA records: CAs that may issue for the zone (RFC 8659). Empty: every CA may.
    pub caa: Vec<Caa>,
}

/// A server of a zone.
#[derive(Clone, Debug)]
pub struct NameServerHost {
    /// Name of the server.
    pub name: DomainName,
    /// Addresses. The zone answers them as glue if the name lies in the zone, and no change removes them.
    pub addresses: BTreeSet<IpAddr>,
}

/// A CAA record at the apex (RFC 8659 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caa {
    /// Critical flag: a CA that does not know the tag must not issue.
    pub critical: bool,
    /// Tag, such as `issue`, `issuewild` or `iodef`: 1 to 15 letters and digits.
    pub tag: String,
    /// Value, such as `letsencrypt.org; validationmethods=dns-01`: at most 1,024 printable ASCII characters.
    pub value: String,
}

impl ZoneSettings {
    /// Returns settings with these servers, a TTL of an hour, a negative TTL of 30 seconds, and no CAA records.
    pub fn new(origin: DomainName, name_servers: impl IntoIterator<Item = NameServerHost>) -> Self {
        Self {
            origin,
            name_servers: name_servers.into_iter().collect(),
            hostmaster: None,
            ttl: seconds(3600),
            negative_ttl: seconds(30),
            caa: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let error = |kind: fn(DomainName) -> SettingsError| Err(kind(self.origin.clone()));
        if self.name_servers.is_empty() {
            return error(SettingsError::NoNameServer);
        }
        if self.name_servers.len() > 13 || self.caa.len() > 16 {
            return error(SettingsError::TooManyRecords);
        }
        if self.negative_ttl.as_secs() > 60 {
            return error(SettingsError::NegativeTtlTooLong);
        }
        for NameServerHost { name, addresses } in &self.name_servers {
            if addresses.len() > 16 {
                return error(SettingsError::TooManyRecords);
            }
            if name.is_within(&self.origin) && addresses.is_empty() {
                return Err(SettingsError::NameServerWithoutAddress(name.clone()));
            }
        }
        if self.caa.iter().all(Caa::is_sound) { Ok(()) } else { error(SettingsError::Caa) }
    }

    pub(crate) fn responsible(&self) -> Result<DomainName, NameError> {
        match &self.hostmaster {
            Some(name) => Ok(name.clone()),
            None => self.origin.child(&"hostmaster".parse()?),
        }
    }
}

impl Caa {
    fn is_sound(&self) -> bool {
        (1..=15).contains(&self.tag.len())
            && self.tag.bytes().all(|octet| octet.is_ascii_alphanumeric())
            && self.value.len() <= 1024
            && self.value.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic())
    }
}

fn seconds(seconds: u32) -> Ttl {
    Ttl::from_secs(seconds).expect("an hour is below the maximum TTL")
}

/// The error for settings that are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Two zones have this name.
    #[error("the zone {0} is listed twice")]
    DuplicateZone(DomainName),
    /// The zone has no server.
    #[error("the zone {0} has no name server")]
    NoNameServer(DomainName),
    /// A server in the zone itself cannot be found without its address.
    #[error("the name server {0} lies in its own zone and has no address")]
    NameServerWithoutAddress(DomainName),
    /// A zone with more than 13 servers, 16 addresses of a server or 16 CAA records.
    #[error("the zone {0} has too many records at its apex")]
    TooManyRecords(DomainName),
    /// A negative TTL of more than 60 seconds.
    #[error("the zone {0} has a negative TTL of more than 60 seconds")]
    NegativeTtlTooLong(DomainName),
    /// A CAA tag or value that RFC 8659 does not allow.
    #[error("the zone {0} has a CAA record with an invalid tag or value")]
    Caa(DomainName),
    /// The zone's name leaves no space for `hostmaster` below it.
    #[error("the name of the zone {0} is too long")]
    OriginTooLong(DomainName),
    /// Two grants have keys with the same name but different secrets or algorithms.
    #[error("the key {0} is listed twice with different secrets or algorithms")]
    DuplicateKey(DomainName),
    /// A grant for a subtree outside all zones.
    #[error("the grant for {0} is outside all zones")]
    GrantOutsideZones(DomainName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut ZoneSettings)) -> SettingsError {
        let host = NameServerHost { name: "ns.example.com".parse().unwrap(), addresses: BTreeSet::new() };
        let mut settings = ZoneSettings::new("fleet.test".parse().unwrap(), [host]);
        assert_eq!(settings.check(), Ok(()));
        change(&mut settings);
        settings.check().unwrap_err()
    }

    #[test]
    fn invalid_settings_make_no_zone() {
        let zone: DomainName = "fleet.test".parse().unwrap();
        let caa = |tag: &str, value: &str| {
            let record = Caa { critical: true, tag: tag.to_owned(), value: value.to_owned() };
            fault(|settings| settings.caa.push(record))
        };
        for (tag, value) in [("", "x"), ("sixteen-letters!", "x"), ("is sue", "x"), ("issue", "a\nb")] {
            assert_eq!(caa(tag, value), SettingsError::Caa(zone.clone()));
        }
        assert_eq!(
            fault(|settings| settings.name_servers.clear()),
            SettingsError::NoNameServer(zone.clone())
        );
        assert_eq!(
            fault(|settings| settings.negative_ttl = seconds(61)),
            SettingsError::NegativeTtlTooLong(zone)
        );
        let inside: DomainName = "ns.fleet.test".parse().unwrap();
        assert_eq!(
            fault(|settings| settings.name_servers[0].name = inside.clone()),
            SettingsError::NameServerWithoutAddress(inside)
        );
    }
}
