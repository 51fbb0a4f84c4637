//! Every decision as a typed event.

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

/// Hears of everything that the engine decides. Metrics, an audit log and a web page are listeners.
///
/// It is called in the middle of the work: it must be quick and must not block.
pub trait Events: Send + Sync + fmt::Debug {
    /// `event` has just happened.
    fn notify(&self, event: &Event<'_>);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn notify(&self, _: &Event<'_>) {}
}

/// What orders depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// The CA.
    Ca,
    /// The fleet zone, with its servers.
    Zone,
}

/// Something that the engine decided or did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A device joined.
    Enrolled {
        /// Its id.
        device: &'a DeviceId,
        /// Its name.
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
    /// A request was refused before it was known whose it is.
    Unauthenticated,
    /// An authenticated device was told no.
    Denied {
        /// The device.
        device: &'a DeviceId,
        /// Why.
        why: &'a str,
    },
    /// A device reported addresses that differ from those before.
    AddressesChanged {
        /// Its name.
        name: &'a HostName,
        /// All of them.
        addresses: &'a [IpAddr],
    },
    /// The zone has the addresses of these names.
    AddressesPublished {
        /// How many names.
        names: usize,
    },
    /// A zone could not be changed; it is tried again.
    ZoneFailed {
        /// What was wrong.
        error: &'a fleetcert_dns::BackendError,
        /// When it is tried again.
        retry_at: SystemTime,
    },
    /// A certificate request passed the gate and waits for its order.
    RequestAccepted {
        /// Its name.
        name: &'a HostName,
        /// Whether the name has a certificate already.
        renewal: bool,
    },
    /// A certificate request did not pass the gate.
    RequestRefused {
        /// Its name.
        name: &'a HostName,
        /// Why.
        why: &'a str,
    },
    /// An order took a step.
    Order {
        /// Its name.
        name: &'a HostName,
        /// The step.
        step: &'a OrderStep,
    },
    /// A certificate was stored.
    Issued {
        /// Its name.
        name: &'a HostName,
        /// The id of the certificate that it replaces, where the CA was told so.
        replaces: Option<&'a str>,
    },
    /// An order waits for a limit of the CA that is its name's own; nothing was sent.
    OrderHeld {
        /// Its name.
        name: &'a HostName,
        /// What holds it back.
        by: &'a DeniedBy,
        /// When it is tried.
        until: SystemTime,
    },
    /// A limit of the CA that orders share is used up: all that draw on it wait, and none of them is touched.
    OrdersHeld {
        /// What holds them back.
        by: &'a DeniedBy,
        /// When the next of them is tried.
        until: SystemTime,
    },
    /// The CA, or the zone, does not work: no new order starts.
    BreakerOpened {
        /// What does not work.
        of: Dependency,
        /// When one order is tried.
        until: SystemTime,
    },
    /// It works again.
    BreakerClosed {
        /// What does.
        of: Dependency,
    },
    /// The clock jumped, or the machine slept: no new order starts.
    ClockDoubted {
        /// Why it is not believed.
        why: Doubt,
        /// When it is, if it goes on evenly.
        until: SystemTime,
    },
    /// The clock is believed again.
    ClockBelieved,
    /// The CA refused an order because of a limit that we thought was not reached; our budget says the same now.
    LimitReached {
        /// The bucket.
        key: &'a BucketKey,
        /// How long the CA asks to wait.
        retry_after: Duration,
    },
    /// A limit of the CA turned out to be another than we thought.
    LimitLearned {
        /// A bucket that it holds for.
        key: &'a BucketKey,
        /// What it is.
        limit: Limit,
    },
    /// The CA has paused a name. Somebody has to lift that at the CA, and may then tell
    /// [`Engine::name_unpaused`](crate::Engine::name_unpaused).
    NamePaused {
        /// The name.
        name: &'a HostName,
        /// What the CA said. Its page to visit is for operators who have signed in, and for no log.
        pause: &'a NamePause,
        /// When the CA is asked again all the same.
        until: SystemTime,
    },
    /// An order failed.
    OrderFailed {
        /// Its name.
        name: &'a HostName,
        /// Why.
        why: &'a str,
        /// When it is tried again; `None` for not by itself.
        retry_at: Option<SystemTime>,
    },
    /// The CA gave a certificate that is not the one that was ordered: another key, other names, another time, no chain.
    /// The device does not get it, and the order is tried again in a day. **An alarm**: somebody should look at it.
    WrongCertificate {
        /// The name that was ordered.
        name: &'a HostName,
        /// The difference.
        why: &'a str,
    },
    /// The work on an order panicked, in the engine or in a part that it was given. The order is taken up again when its
    /// lease ends. **An alarm**: it is a fault of a program.
    WorkPanicked {
        /// The name that was ordered.
        name: &'a str,
        /// What the panic said.
        why: &'a str,
    },
    /// The CA named the window for a renewal, or changed it.
    RenewalWindow {
        /// The name.
        name: &'a HostName,
        /// The window.
        window: Window,
        /// The moment in it at which the renewal is due.
        renew_at: SystemTime,
    },
    /// The CA could not be asked for a window; it is asked again.
    RenewalUnknown {
        /// The name.
        name: &'a HostName,
        /// Why.
        why: &'a str,
    },
    /// Challenge records without an order were taken out of the zone.
    Swept {
        /// How many.
        records: usize,
    },
    /// Challenge records without an order are still in the zone; they are tried again.
    NotSwept {
        /// Why.
        why: &'a str,
    },
    /// The zone has more challenge records, of all processes, than
    /// [`warn_above`](fleetcert_dns::challenge::ChallengeOptions::warn_above). It is told once, and again when they have
    /// fallen to half of that meanwhile.
    ChallengesPileUp {
        /// The zone.
        zone: &'a DomainName,
        /// How many; counted up to 100,000.
        records: usize,
    },
    /// The store failed a worker; it goes on later.
    StoreFailed {
        /// Why.
        why: &'a str,
    },
}
