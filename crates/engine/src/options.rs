//! Settings of an engine.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetcert_dns::Ttl;
use fleetcert_names::DomainName;
use fleetcert_schedule::Margin;
use fleetcert_schedule::breaker::BreakerRule;
use fleetcert_schedule::budget::{Limit, Limits};
use fleetcert_schedule::clock_guard::ClockRule;
use fleetcert_schedule::order_queue::{PerLane, QueueOptions, Reserve, Tenant};
use fleetcert_schedule::pacer::Pacer;
use fleetcert_schedule::quota::CSRS_PER_DEVICE;
use fleetcert_x509::{CsrPolicy, Roots};

/// Settings of an [`Engine`](crate::Engine). [`EngineOptions::new`] gives safe ones.
///
/// ```
/// use fleetcert_engine::EngineOptions;
///
/// let options = EngineOptions {
///     orders_in_flight: 32,
///     ..EngineOptions::new("fleet.example.com".parse()?)
/// };
/// assert!(!options.wildcards);
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Fleet zone. A device's host name is its label and the zone.
    pub zone: DomainName,
    /// Time to live of the devices' address records. Default: [`Ttl::ADDRESS`].
    pub address_ttl: Ttl,
    /// Rules for certificate requests. Default: [`CsrPolicy::device`]. The names that a device may have come from its
    /// grant.
    pub csr_policy: CsrPolicy,
    /// Whether a device may have the wildcard below its host name, `*.LABEL.ZONE`, beside the name. It gets one only if
    /// its CSR asks for it. Default: `false`.
    pub wildcards: bool,
    /// Certificate profile to order (draft-aaron-acme-profiles). Default: `None`, the CA's own default.
    pub profile: Option<String>,
    /// Roots to which a certificate must lead before it is given to the device. Default: `None`, which skips this check
    /// alone.
    pub roots: Option<Roots>,
    /// Lifetime of a certificate. One that lives longer by more than a day is of a wrong profile or CA, and is not given
    /// to the device. Default: `None`, which is what Let's Encrypt publishes for its accounts, and no check elsewhere.
    pub lifetime: Option<Duration>,
    /// Maximum orders in flight, at least 1. Default: 8.
    pub orders_in_flight: usize,
    /// Maximum orders in flight of names that failed three times in a row, at least 1. Default: 1.
    pub failing_in_flight: usize,
    /// Weights of the lanes in which orders wait, each at least 1. Default: as [`QueueOptions`].
    pub lane_weights: PerLane<u32>,
    /// Weights of the tenants in each lane. A tenant that is not here has weight 1. A device's tenant comes with its
    /// enrolment ([`Engine::issue_token_of`](crate::Engine::issue_token_of), or the decision of an
    /// [`Enroller`](crate::Enroller)). Default: none.
    pub tenant_weights: BTreeMap<Tenant, u32>,
    /// Limit of certificate requests of one device, for each process. A request above it is refused before it costs
    /// anything. Default: ten in an hour; `None` for no limit.
    pub requests_per_device: Option<Limit>,
    /// Minimum time between two certificates of the same names, unless the renewal window is open. Default: one day.
    ///
    /// A window that was open before the certificate was issued does not count until a third of the certificate's life has
    /// passed ([`Window::for_certificate`](fleetcert_schedule::Window::for_certificate)).
    pub between_certificates: Duration,
    /// Part of the CA's shared limits that each lane leaves to more urgent ones. Default: [`Reserve::default`].
    pub reserve: Reserve,
    /// Maximum waiting orders in the queue of a process. Others wait in the store until there is room. Default: as
    /// [`QueueOptions`].
    pub most_waiting: usize,
    /// Interval at which a process reads one page of 500 stored orders, to find those of other processes. Default: 10 s.
    pub look_for_orders: Duration,
    /// Circuit breaker that stops new orders while the CA or the zone does not work. Default: [`BreakerRule::default`].
    pub breaker: BreakerRule,
    /// Rule of the clock guard, for each process. After a jump of the clock, or a sleep of the machine, no new order
    /// starts until the clock has run evenly for a while; and a fixed number of starts is never exceeded, whatever the
    /// clock says. Default: ten minutes after a jump of more than ten minutes; 4,000 starts at once, then 10,000 in an
    /// hour. `None` to trust the clock.
    pub clock_rule: Option<ClockRule>,
    /// Rate of requests to the CA's load balancer, for each process. Default: `None`, which is four fifths of what Let's
    /// Encrypt publishes for its accounts, and no limit elsewhere. A server that says that it is busy is always given
    /// its time.
    pub pacer: Option<Pacer>,
    /// Margin that renewals leave for an outage. They are earlier than the CA's window where it leaves less. Default:
    /// [`Margin::default`]; `None` for the window as it is.
    pub margin: Option<Margin>,
    /// Renewals in an hour from which on they are spread, so that what was issued in one day is not due in one day. Some
    /// are earlier, once, by up to half a cycle. Default: 125, which is what 90,000 evenly spread devices have. `None`
    /// to leave all in their windows.
    pub unnoticed_renewals: Option<u32>,
    /// Pace of the renewals that the CA wants at once, for all nodes together: certificates whose renewal window is moved
    /// into the past, as in a mass revocation. They become due at this pace, the earliest deadline first. Default: 5,000
    /// in an hour, of which 1,000 are kept for certificates whose deadline would pass before their turn: 90,000 renewals
    /// start within the 24 hours that a CA has for the most urgent revocations, at about 10 requests a second. A million
    /// in five days need 10,500.
    pub urgent_renewals_per_hour: u32,
    /// Maximum time of one attempt at an order. A later attempt resumes it. Default: 300 s.
    pub order_deadline: Duration,
    /// Maximum certificates of a name in [`name_period`](Self::name_period). Let's Encrypt issues five in seven days, to
    /// everybody together; one is kept for the operator. Default: 4.
    pub certificates_per_name: usize,
    /// Period of [`certificates_per_name`](Self::certificates_per_name). Default: seven days.
    pub name_period: Duration,
    /// Rate limits of the CA, with the overrides that it granted. No order is sent that they would refuse. Default:
    /// `None`, which is what Let's Encrypt publishes for its accounts, and unknown limits elsewhere: then only the CA's
    /// refusals are mirrored.
    pub limits: Option<Limits>,
    /// Whether all addresses are written to the zone at the start, for backends that forget, as our name server does.
    /// Default: `true`.
    pub republish_at_start: bool,
    /// Interval at which a worker without work looks for some, even if nothing wakes it. Default: 1 s.
    pub idle: Duration,
}

impl EngineOptions {
    /// Returns the default settings for a fleet zone.
    pub fn new(zone: DomainName) -> Self {
        let QueueOptions { lane_weights, capacity: most_waiting, .. } = QueueOptions::default();
        Self {
            zone,
            address_ttl: Ttl::ADDRESS,
            csr_policy: CsrPolicy::device(),
            wildcards: false,
            profile: None,
            roots: None,
            lifetime: None,
            orders_in_flight: 8,
            failing_in_flight: 1,
            lane_weights,
            tenant_weights: BTreeMap::new(),
            requests_per_device: Some(CSRS_PER_DEVICE),
            between_certificates: Duration::from_secs(86_400),
            reserve: Reserve::default(),
            most_waiting,
            look_for_orders: Duration::from_secs(10),
            breaker: BreakerRule::default(),
            clock_rule: Some(ClockRule::new(STARTS)),
            pacer: None,
            margin: Some(Margin::default()),
            unnoticed_renewals: Some(125),
            urgent_renewals_per_hour: 5_000,
            order_deadline: Duration::from_secs(300),
            certificates_per_name: 4,
            name_period: Duration::from_secs(7 * 86_400),
            limits: None,
            republish_at_start: true,
            idle: Duration::from_secs(1),
        }
    }
}

/// A fleet of 90,000 devices starts 125 orders in an hour, and 4,000 if its CA revokes everything at once.
const STARTS: Limit = match Limit::new(4_000, 10_000, Duration::from_secs(3600)) {
    Ok(limit) => limit,
    // Evaluated at compile time.
    Err(_) => unreachable!(),
};
