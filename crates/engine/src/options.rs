//! What an integrator sets.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetcert_dns::Ttl;
use fleetcert_names::DomainName;
use fleetcert_schedule::Margin;
use fleetcert_schedule::breaker::BreakerRule;
use fleetcert_schedule::budget::{Limit, Limits};
use fleetcert_schedule::clock_guard::ClockRule;
use fleetcert_schedule::order_queue::Reserve;
use fleetcert_schedule::pacer::Pacer;
use fleetcert_schedule::queue::{PerLane, QueueOptions, Tenant};
use fleetcert_schedule::quota::CSRS_PER_DEVICE;
use fleetcert_x509::{CsrPolicy, Roots};

/// The settings of an [`Engine`](crate::Engine). [`EngineOptions::new`] gives safe ones.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The fleet zone: a device's name is its label and this.
    pub zone: DomainName,
    /// The time to live of the devices' addresses.
    pub address_ttl: Ttl,
    /// Which certificate requests are taken.
    pub csr_policy: CsrPolicy,
    /// The profile to order with (draft-aaron-acme-profiles), `None` for the CA's default.
    pub profile: Option<String>,
    /// The roots to which a certificate must lead before it is given out; `None` to check all but that.
    pub roots: Option<Roots>,
    /// How long a certificate should live. One that lives longer by more than a day is of a wrong profile, or of a wrong
    /// CA, and is not given out. `None` for what Let's Encrypt publishes of its profiles, where the account is one of
    /// theirs, and for no such check elsewhere.
    pub lifetime: Option<Duration>,
    /// So many orders are worked on at a time.
    pub orders_in_flight: usize,
    /// So many of these may be of names that failed three times in a row; zero counts as one.
    pub failing_in_flight: usize,
    /// The shares of the lanes in which orders wait; zero counts as one.
    pub lane_weights: PerLane<u32>,
    /// The shares of the tenants in each lane, where a tenant has more than one share. A device's tenant comes with its
    /// enrolment ([`Engine::issue_token_of`](crate::Engine::issue_token_of), or the decision of an
    /// [`Enroller`](crate::Enroller)).
    pub tenant_weights: BTreeMap<Tenant, u32>,
    /// So many certificate requests are taken from one device, by each process; ten in an hour by default. What is above
    /// is answered before it costs anything. `None` for any number.
    pub requests_per_device: Option<Limit>,
    /// After a certificate a name gets the next one not before this time has passed, a day by default, unless its window
    /// for renewal is open.
    pub between_certificates: Duration,
    /// What the orders of each lane leave to more urgent ones of the CA's limits that all of them share.
    pub reserve: Reserve,
    /// So many waiting orders are kept in the queue of a process. What is beyond waits in the store until there is room.
    pub most_waiting: usize,
    /// How often a page of 500 orders is read for what other processes have written, page after page and then from the
    /// first again. What a process accepts itself it knows at once.
    pub look_for_orders: Duration,
    /// What stops new orders when the CA, or the zone, does not work.
    pub breaker: BreakerRule,
    /// When the clock is not believed, and how many new orders start whatever it says; counted for each process. A clock
    /// that jumps, or a machine that slept, starts nothing new until it has gone on evenly for a while. By default that is
    /// ten minutes after a jump of more than ten, and 4,000 starts at once, then 10,000 in an hour. `None` to believe it.
    pub clock_rule: Option<ClockRule>,
    /// How many requests a second the CA's load balancer is sent by this process. `None` for four fifths of what Let's
    /// Encrypt publishes, where the account is one of theirs, and for no rate elsewhere; a server that says that it is busy
    /// is left alone in any case.
    pub pacer: Option<Pacer>,
    /// The time that renewals leave for an outage: they come earlier than the CA's window where that leaves less. `None`
    /// for the window as it is.
    pub margin: Option<Margin>,
    /// Renewals that would come more in an hour than this, and more than elsewhere in their cycle, are spread: some come
    /// earlier, once, up to half a cycle. So what was issued in one day does not come back in one day. 125 by default,
    /// which is what 90,000 devices have when they are spread evenly. `None` to leave all in their windows.
    pub unnoticed_renewals: Option<u32>,
    /// The longest that one order may be worked on in one go. It is resumed later where it stood.
    pub order_deadline: Duration,
    /// So many certificates a name gets in [`name_period`](Self::name_period). Let's Encrypt gives five in
    /// seven days and no more for anybody; one is kept for the operator.
    pub certificates_per_name: usize,
    /// See [`certificates_per_name`](Self::certificates_per_name).
    pub name_period: Duration,
    /// The rate limits of the CA, with the overrides that it granted: no order is sent that they would refuse. `None`
    /// for what Let's Encrypt publishes, where the account is one of theirs, and for no known limits elsewhere: then
    /// what the CA refuses is all that is mirrored.
    pub limits: Option<Limits>,
    /// All addresses are brought to the zone at the start, for backends that forget, as our name server does.
    pub republish_at_start: bool,
    /// A worker without work looks again after this time, even if nobody wakes it.
    pub idle: Duration,
}

impl EngineOptions {
    /// The settings for a fleet zone that everything else has a default for.
    pub fn new(zone: DomainName) -> Self {
        let QueueOptions { lane_weights, capacity: most_waiting, .. } = QueueOptions::default();
        Self {
            zone,
            address_ttl: Ttl::ADDRESS,
            csr_policy: CsrPolicy::device(),
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
            order_deadline: Duration::from_secs(300),
            certificates_per_name: 4,
            name_period: Duration::from_secs(7 * 86_400),
            limits: None,
            republish_at_start: true,
            idle: Duration::from_secs(1),
        }
    }
}

/// A fleet of 90,000 starts 125 orders in an hour, and one whose CA revokes everything at once 4,000.
const STARTS: Limit = match Limit::new(4_000, 10_000, Duration::from_secs(3600)) {
    Ok(limit) => limit,
    // Evaluated by the compiler.
    Err(_) => unreachable!(),
};
