//! Events: every decision as a typed value.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fleetcert_acme::NamePause;
use fleetcert_names::{DomainName, HostName};
use fleetcert_protocol::DeviceId;
use fleetcert_schedule::Window;
use fleetcert_schedule::budget::{BucketKey, DeniedBy, Limit};
use fleetcert_schedule::clock_guard::Doubt;

pub use fleetcert_acme::Step as OrderStep;

/// A listener for what the engine decides and does. Metrics, an audit log and a web page are listeners.
///
/// The engine calls it in the middle of its work, so it must be quick and must not block.
/// [`TracingEvents`](crate::TracingEvents) is the default.
///
/// ```
/// use fleetcert_engine::{Event, Events};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Counts certificates, for a metric.
/// #[derive(Debug, Default)]
/// struct Issued(AtomicU64);
///
/// impl Events for Issued {
///     fn notify(&self, event: &Event<'_>) {
///         if let Event::Issued { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Events: Send + Sync + fmt::Debug {
    /// Takes note of `event`, which has just happened.
    fn notify(&self, event: &Event<'_>);
}

/// A listener that ignores every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn notify(&self, _: &Event<'_>) {}
}

/// A dependency of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// CA.
    Ca,
    /// Fleet zone, with its servers.
    Zone,
}

/// A decision or an action of the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A device joined.
    Enrolled {
        /// Id of the device.
        device: &'a DeviceId,
        /// Host name of the device.
        name: &'a HostName,
    },
    /// The enroller refused a key.
    EnrolmentRefused {
        /// Stable code of the reason.
        code: &'a str,
    },
    /// An enrolment waits for a decision.
    EnrolmentPending {
        /// Stable code of what it waits for.
        code: &'a str,
    },
    /// A request was refused because no known device sent it.
    Unauthenticated,
    /// An authenticated device was denied what it asked for.
    Denied {
        /// Device.
        device: &'a DeviceId,
        /// Reason.
        why: &'a str,
    },
    /// A device reported addresses that differ from those before.
    AddressesChanged {
        /// Host name of the device.
        name: &'a HostName,
        /// All addresses of the report.
        addresses: &'a [IpAddr],
    },
    /// Addresses were written to the zone.
    AddressesPublished {
        /// Number of names.
        names: usize,
    },
    /// A change of the zone failed and will be retried.
    ZoneFailed {
        /// Failure.
        error: &'a fleetcert_dns::BackendError,
        /// Time of the retry.
        retry_at: SystemTime,
    },
    /// A certificate request passed the gate, and its order waits.
    RequestAccepted {
        /// Host name of the device.
        name: &'a HostName,
        /// Whether the name has had a certificate before.
        renewal: bool,
    },
    /// A certificate request did not pass the gate.
    RequestRefused {
        /// Host name of the device.
        name: &'a HostName,
        /// Reason.
        why: &'a str,
    },
    /// An order took a step.
    Order {
        /// Host name of the device.
        name: &'a HostName,
        /// Step.
        step: &'a OrderStep,
    },
    /// A certificate was stored.
    Issued {
        /// Host name of the device.
        name: &'a HostName,
        /// Id of the certificate that it replaces, if the order named one.
        replaces: Option<&'a str>,
    },
    /// A rate limit that is about its name alone holds an order; nothing was sent.
    OrderHeld {
        /// Host name of the device.
        name: &'a HostName,
        /// Limit.
        by: &'a DeniedBy,
        /// Time of the next attempt.
        until: SystemTime,
    },
    /// A rate limit that orders share is used up: all orders that need it wait.
    OrdersHeld {
        /// Limit.
        by: &'a DeniedBy,
        /// Time of the next attempt at one of them.
        until: SystemTime,
    },
    /// The CA or the zone does not work: no new order starts.
    BreakerOpened {
        /// Dependency that does not work.
        of: Dependency,
        /// Time at which one order is tried.
        until: SystemTime,
    },
    /// A dependency works again.
    BreakerClosed {
        /// Dependency.
        of: Dependency,
    },
    /// The clock jumped, or the machine slept: no new order starts.
    ClockDoubted {
        /// Reason of the doubt.
        why: Doubt,
        /// Time at which the clock is trusted again, if it runs evenly.
        until: SystemTime,
    },
    /// The clock is trusted again.
    ClockBelieved,
    /// The CA refused an order for a rate limit that our budget had not reached. The budget is corrected.
    LimitReached {
        /// Bucket.
        key: &'a BucketKey,
        /// Wait that the CA asks for.
        retry_after: Duration,
    },
    /// A rate limit of the CA differs from the one that was known.
    LimitLearned {
        /// Bucket that it is about.
        key: &'a BucketKey,
        /// Limit that the CA stated.
        limit: Limit,
    },
    /// The CA has paused a name. **An alarm**: an operator must lift the pause at the CA, and may then call
    /// [`Engine::name_unpaused`](crate::Engine::name_unpaused).
    NamePaused {
        /// Host name.
        name: &'a HostName,
        /// Answer of the CA. Its link lifts the pause: show it to operators who have signed in, and never log it.
        pause: &'a NamePause,
        /// Time at which the CA is asked again in any case.
        until: SystemTime,
    },
    /// An order failed.
    OrderFailed {
        /// Host name of the device.
        name: &'a HostName,
        /// Reason.
        why: &'a str,
        /// Time of the retry; `None` for no automatic retry.
        retry_at: Option<SystemTime>,
    },
    /// The CA returned a certificate that was not ordered: another key, other names, another lifetime, no chain. The
    /// device does not get it, and the order is retried in a day. **An alarm**: an operator should look at it.
    WrongCertificate {
        /// Host name of the order.
        name: &'a HostName,
        /// Difference.
        why: &'a str,
    },
    /// An attempt at an order panicked, in the engine or in one of its parts. Another attempt follows when the lease
    /// expires. **An alarm**: it is a programming error.
    WorkPanicked {
        /// Host name of the order.
        name: &'a str,
        /// Message of the panic.
        why: &'a str,
    },
    /// The CA named the window for a renewal, or changed it.
    RenewalWindow {
        /// Host name.
        name: &'a HostName,
        /// Window.
        window: Window,
        /// Time of the renewal.
        renew_at: SystemTime,
    },
    /// The CA wants certificates renewed at once, and the plan paces them. Each round of polls is one event.
    RenewalsPaced {
        /// Number of certificates of the round.
        certificates: usize,
        /// Time at which the last of them starts.
        until: SystemTime,
        /// Number of certificates whose deadline passes before they start. A higher
        /// [`urgent_renewals_per_hour`](crate::EngineOptions::urgent_renewals_per_hour) helps them.
        late: usize,
    },
    /// A poll for a renewal window failed and will be retried.
    RenewalUnknown {
        /// Host name.
        name: &'a HostName,
        /// Reason.
        why: &'a str,
    },
    /// Challenge records without an order were removed from the zone.
    Swept {
        /// Number of records.
        records: usize,
    },
    /// Challenge records without an order could not be removed from the zone. The removal will be retried.
    NotSwept {
        /// Reason.
        why: &'a str,
    },
    /// The zone has more challenge records, of all processes, than
    /// [`warn_above`](fleetcert_dns::challenge::ChallengeOptions::warn_above). **An alarm**. It is raised once, and again
    /// only after the number has fallen to half of that.
    ChallengesPileUp {
        /// Zone.
        zone: &'a DomainName,
        /// Number of records, counted up to 100,000.
        records: usize,
    },
    /// The store failed a worker, which retries.
    StoreFailed {
        /// Reason.
        why: &'a str,
    },
}
