//! What is checked, and how hard.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_names::{DomainName, Label};

use crate::DnsBackend;

/// What is checked, and where.
///
/// The loads are those of a fleet. A service that counts requests gets lower ones; the report tells so:
///
/// ```
/// # use fleetcert_ambient::SystemClock;
/// # use fleetcert_dns::MemoryBackend;
/// use fleetcert_dns::conformance::Subject;
///
/// # let zone = "fleet.test".parse()?;
/// # let backend = MemoryBackend::new([&zone]);
/// let gentle =
///     Subject { calls_at_once: 20, ..Subject::new(|| backend.clone(), zone, &SystemClock) };
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Makes the backends.
    pub factory: Factory<'a>,
    /// A zone that they can change.
    pub zone: DomainName,
    /// A clock that runs: the suite waits with it, so a [`ManualClock`](fleetcert_ambient::ManualClock) must be
    /// moved on meanwhile.
    pub clock: &'a dyn Clock,
    /// Everything happens below this label of the zone. Two suites at the same time need two labels.
    pub below: Label,
    /// How long one call of the backend may take; longer is a failure.
    pub call_within: Duration,
    /// How many calls are made at the same time. Default: [`CALLS_AT_ONCE`](Self::CALLS_AT_ONCE).
    pub calls_at_once: usize,
    /// So many records are more than the service lists on one page. Default: [`MORE_THAN_A_PAGE`](Self::MORE_THAN_A_PAGE).
    pub more_than_a_page: usize,
}

impl<'a> Subject<'a> {
    /// How many calls at the same time a fleet may make.
    pub const CALLS_AT_ONCE: usize = 1000;
    /// More than the hundred records that most services list on one page.
    pub const MORE_THAN_A_PAGE: usize = 120;

    /// A subject that is checked below the label `fleetcert-conformance`, with 30 seconds for each call.
    ///
    /// `factory` makes instances of the backend that share nothing but the service, as two processes would have
    /// them. It is called twice.
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

/// Makes instances of a backend.
#[derive(Clone)]
pub struct Factory<'a>(Arc<dyn Fn() -> Arc<dyn DnsBackend> + Send + Sync + 'a>);

impl<'a> Factory<'a> {
    /// A factory that calls `make` for each instance.
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
