//! The subject of the suite: backends, zone and load.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_names::{DomainName, Label};

use crate::DnsBackend;

/// The backends under test, their zone, and the load.
///
/// The default load is that of a fleet. For a service that counts requests, lower it; the report says so:
///
/// ```
/// # use fleetcert_ambient::SystemClock;
/// # use fleetcert_dns::MemoryBackend;
/// use fleetcert_dns::conformance::Subject;
///
/// # let zone = "fleet.test".parse()?;
/// # let backend = MemoryBackend::new([&zone]);
/// let low_load = Subject {
///     calls_at_once: 20,
///     ..Subject::new(|| backend.clone(), zone, &SystemClock)
/// };
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Factory of the backends.
    pub factory: Factory<'a>,
    /// Zone that they can change.
    pub zone: DomainName,
    /// Running clock. The suite waits with it, so a [`ManualClock`](fleetcert_ambient::ManualClock) must be advanced
    /// meanwhile.
    pub clock: &'a dyn Clock,
    /// Label of the zone below which the suite works. Two concurrent suites need two labels.
    pub below: Label,
    /// Time limit for one call of the backend. A longer call is a failure.
    pub call_within: Duration,
    /// Maximum concurrent calls. Default: [`CALLS_AT_ONCE`](Self::CALLS_AT_ONCE).
    pub calls_at_once: usize,
    /// Number of records that exceeds one page of the service. Default: [`MORE_THAN_A_PAGE`](Self::MORE_THAN_A_PAGE).
    pub more_than_a_page: usize,
}

impl<'a> Subject<'a> {
    /// Concurrent calls of a fleet.
    pub const CALLS_AT_ONCE: usize = 1000;
    /// Number of records above the usual page size of a hundred.
    pub const MORE_THAN_A_PAGE: usize = 120;

    /// Returns a subject with the label `fleetcert-conformance`, and 30 seconds for each call.
    ///
    /// `factory` makes instances of the backend that share only the service, like two processes. It is called twice.
    pub fn new<B: DnsBackend + 'static>(
        factory: impl Fn() -> B + Send + Sync + 'a,
        zone: DomainName,
        clock: &'a dyn Clock,
    ) -> Self {
        Self {
            factory: Factory::new(factory),
            zone,
            clock,
            below: "fleetcert-conformance".parse().expect("letters and a hyphen are a label"),
            call_within: Duration::from_secs(30),
            calls_at_once: Self::CALLS_AT_ONCE,
            more_than_a_page: Self::MORE_THAN_A_PAGE,
        }
    }
}

/// A factory of backend instances.
#[derive(Clone)]
pub struct Factory<'a>(Arc<dyn Fn() -> Arc<dyn DnsBackend> + Send + Sync + 'a>);

impl<'a> Factory<'a> {
    /// Returns a factory that calls `make` for each instance.
    pub fn new<B: DnsBackend + 'static>(make: impl Fn() -> B + Send + Sync + 'a) -> Self {
        Self(Arc::new(move || Arc::new(make())))
    }

    pub(super) fn make(&self) -> Arc<dyn DnsBackend> {
        (self.0)()
    }
}

impl fmt::Debug for Factory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factory")
    }
}
