//! The capabilities of a backend, and the check of a call against them.

use fleetcert_names::DomainName;

use crate::{BackendError, BackendErrorKind, Change, Operation, Ttl};

/// The capabilities of a backend. The conformance suite tests each of them.
///
/// If you write a backend, begin with [`ALL`](Self::ALL), state what your service cannot do, and call
/// [`check`](Self::check) first in [`apply`](crate::DnsBackend::apply) and [`check_read`](Self::check_read) first in
/// [`read`](crate::DnsBackend::read):
///
/// ```
/// use fleetcert_dns::{BackendErrorKind, Capabilities, Change, Ttl};
///
/// // A service that changes one record per call, and keeps every record for
/// // at least a minute.
/// let capabilities = Capabilities {
///     atomic: false,
///     min_ttl: Ttl::from_secs(60)?,
///     max_changes: 50,
///     ..Capabilities::ALL
/// };
/// let zone = "fleet.test".parse()?;
/// let stray = Change::RemoveTxt {
///     name: "a.fleet.example".parse()?,
///     value: "1".parse()?,
/// };
/// let error = capabilities.check(&zone, &[stray]).unwrap_err();
/// assert_eq!(error.kind(), BackendErrorKind::NotInZone);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a list of changes takes effect as a whole or not at all.
    pub atomic: bool,
    /// Whether the backend accepts A and AAAA records; some services accept TXT only. Without it, a
    /// [`SetAddresses`](Change::SetAddresses) is [`InvalidInput`](BackendErrorKind::InvalidInput).
    pub addresses: bool,
    /// Whether [`DnsBackend::read`](crate::DnsBackend::read) returns the records of the server that accepts the
    /// changes; some services can only be written. Without it, a read is
    /// [`InvalidInput`](BackendErrorKind::InvalidInput).
    pub reads: bool,
    /// Whether the backend removes values; acme-dns keeps the last two forever. Without it, a
    /// [`RemoveTxt`](Change::RemoveTxt) is [`InvalidInput`](BackendErrorKind::InvalidInput), and challenge records
    /// count as withdrawn without a removal.
    pub removes: bool,
    /// Whether the backend accepts every name of the zone; some services accept only names that were registered with
    /// them. Without it, any other name is [`NotInZone`](BackendErrorKind::NotInZone).
    pub any_name: bool,
    /// Whether the backend accepts every [`TxtValue`](crate::TxtValue); some services accept only the 43 characters of
    /// a dns-01 value. Without it, adding any other text is [`InvalidInput`](BackendErrorKind::InvalidInput).
    pub any_text: bool,
    /// Maximum TXT values of one name; one more is [`Quota`](BackendErrorKind::Quota), or replaces the oldest.
    /// `usize::MAX` if a fleet cannot reach the limit.
    pub max_values: usize,
    /// Minimum TTL; a shorter one is raised to it.
    pub min_ttl: Ttl,
    /// Maximum changes in one call of [`DnsBackend::apply`](crate::DnsBackend::apply); more are
    /// [`InvalidInput`](BackendErrorKind::InvalidInput).
    pub max_changes: usize,
}

impl Capabilities {
    /// Every capability of the contract, without a limit.
    pub const ALL: Self = Self {
        atomic: true,
        addresses: true,
        reads: true,
        removes: true,
        any_name: true,
        any_text: true,
        max_values: usize::MAX,
        min_ttl: Ttl::ZERO,
        max_changes: usize::MAX,
    };

    /// Splits changes into the parts that fit in one call each; none for no changes.
    pub fn parts<'a, T>(&self, changes: &'a [T]) -> std::slice::Chunks<'a, T> {
        changes.chunks(self.max_changes.max(1))
    }

    /// Checks that a backend with these capabilities accepts the changes: that they fit in one call, that each name is
    /// in the zone, and that the service supports each kind of change. [`any_name`](Self::any_name),
    /// [`max_values`](Self::max_values) and [`min_ttl`](Self::min_ttl) depend on the service and are not checked.
    ///
    /// # Errors
    /// Those that [`DnsBackend::apply`](crate::DnsBackend::apply) promises:
    /// [`InvalidInput`](BackendErrorKind::InvalidInput) or [`NotInZone`](BackendErrorKind::NotInZone).
    pub fn check(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let (count, max) = (changes.len(), self.max_changes);
        if count > max {
            let why = format!("{count} changes in one call, and at most {max} are allowed");
            return Err(BackendError::new(BackendErrorKind::InvalidInput, Operation::Apply, zone, why));
        }
        changes.iter().try_for_each(|change| self.check_one(zone, change))
    }

    /// Checks that a backend with these capabilities can read records of the name.
    ///
    /// # Errors
    /// Those that [`DnsBackend::read`](crate::DnsBackend::read) promises:
    /// [`NotInZone`](BackendErrorKind::NotInZone) or [`InvalidInput`](BackendErrorKind::InvalidInput).
    pub fn check_read(&self, zone: &DomainName, name: &DomainName) -> Result<(), BackendError> {
        Operation::Read.check_name(zone, name)?;
        if self.reads {
            return Ok(());
        }
        let why = "the service cannot read records";
        Err(BackendError::new(BackendErrorKind::InvalidInput, Operation::Read, zone, why))
    }

    fn check_one(&self, zone: &DomainName, change: &Change) -> Result<(), BackendError> {
        Operation::Apply.check_name(zone, change.name())?;
        let why = match change {
            Change::SetAddresses { .. } if !self.addresses => "the service does not support addresses",
            Change::RemoveTxt { .. } if !self.removes => "the service cannot remove values",
            // A value that cannot be added cannot exist either, so its removal is not an error.
            Change::AddTxt { value, .. } if !self.any_text && !value.is_dns01() => {
                "the service supports only dns-01 values: 43 characters of base64url"
            }
            _ => return Ok(()),
        };
        Err(BackendError::new(BackendErrorKind::InvalidInput, Operation::Apply, zone, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addresses;

    fn zone() -> DomainName {
        "fleet.test".parse().unwrap()
    }

    fn name() -> DomainName {
        "a.fleet.test".parse().unwrap()
    }

    fn add(value: &str) -> Change {
        Change::AddTxt { name: name(), value: value.parse().unwrap(), ttl: Ttl::CHALLENGE }
    }

    fn remove() -> Change {
        Change::RemoveTxt { name: name(), value: "1".parse().unwrap() }
    }

    fn addresses() -> Change {
        Change::SetAddresses { name: name(), addresses: Addresses::default(), ttl: Ttl::ADDRESS }
    }

    fn refused(capabilities: Capabilities, changes: &[Change]) -> Option<BackendErrorKind> {
        capabilities.check(&zone(), changes).err().map(|error| error.kind())
    }

    #[test]
    fn full_capabilities_accept_every_change_of_the_zone() {
        assert_eq!(refused(Capabilities::ALL, &[add("1"), remove(), addresses()]), None);
        assert_eq!(refused(Capabilities { max_changes: 0, ..Capabilities::ALL }, &[]), None);
    }

    #[test]
    fn missing_capability_rejects_its_change() {
        let invalid = Some(BackendErrorKind::InvalidInput);
        assert_eq!(
            refused(Capabilities { max_changes: 1, ..Capabilities::ALL }, &[add("1"), remove()]),
            invalid
        );
        assert_eq!(refused(Capabilities { addresses: false, ..Capabilities::ALL }, &[addresses()]), invalid);
        assert_eq!(refused(Capabilities { removes: false, ..Capabilities::ALL }, &[remove()]), invalid);
        let dns01_only = Capabilities { any_text: false, ..Capabilities::ALL };
        assert_eq!(refused(dns01_only, &[add("1")]), invalid);
        assert_eq!(refused(dns01_only, &[add(&"x".repeat(43)), remove()]), None);
    }

    #[test]
    fn change_outside_the_zone_is_rejected() {
        let name = "a.fleet.example".parse().unwrap();
        let stray = Change::RemoveTxt { name, value: "1".parse().unwrap() };
        assert_eq!(refused(Capabilities::ALL, &[add("1"), stray]), Some(BackendErrorKind::NotInZone));
    }

    #[test]
    fn read_is_rejected_outside_the_zone_and_without_the_capability() {
        let kind = |capabilities: Capabilities, name: &str| {
            capabilities.check_read(&zone(), &name.parse().unwrap()).err().map(|error| error.kind())
        };
        let blind = Capabilities { reads: false, ..Capabilities::ALL };
        assert_eq!(kind(Capabilities::ALL, "a.fleet.test"), None);
        assert_eq!(kind(blind, "a.fleet.test"), Some(BackendErrorKind::InvalidInput));
        assert_eq!(kind(blind, "a.fleet.example"), Some(BackendErrorKind::NotInZone));
    }
}
