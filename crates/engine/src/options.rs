//! What an integrator sets.

use std::time::Duration;

use fleetcert_dns::Ttl;
use fleetcert_names::DomainName;
use fleetcert_schedule::Margin;
use fleetcert_schedule::breaker::BreakerRule;
use fleetcert_schedule::budget::Limits;
use fleetcert_schedule::queue::{PerLane, QueueOptions};
use fleetcert_schedule::scheduler::Reserve;
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
    /// What the orders of each lane leave to more urgent ones of the CA's limits that all of them share.
    pub reserve: Reserve,
    /// So many waiting orders are kept in the queue of a process. What is beyond waits in the store until there is room.
    pub most_waiting: usize,
    /// How often a page of 500 orders is read for what other processes have written, page after page and then from the
    /// first again. What a process accepts itself it knows at once.
    pub look_for_orders: Duration,
    /// What stops new orders when the CA, or the zone, does not work.
    pub breaker: BreakerRule,
    /// The time that renewals leave for an outage: they come earlier than the CA's window where that leaves less. `None`
    /// for the window as it is.
    pub margin: Option<Margin>,
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
            reserve: Reserve::default(),
            most_waiting,
            look_for_orders: Duration::from_secs(10),
            breaker: BreakerRule::default(),
            margin: Some(Margin::default()),
            order_deadline: Duration::from_secs(300),
            certificates_per_name: 4,
            name_period: Duration::from_secs(7 * 86_400),
            limits: None,
            republish_at_start: true,
            idle: Duration::from_secs(1),
        }
    }
}
