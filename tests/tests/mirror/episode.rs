//! Random operations on both.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;
use fleetcert_schedule::budget::{
    BucketKey, Budgets, Charges, DeniedBy, OrderKind, Outcome, Refusal, Reservation, SAME_SET_WINDOW, Spent,
};
use fleetcert_testkit::limiter::{Limit, OrderFacts, Refused};

use crate::random::Random;
use crate::world::{Names, Owner, Tally, World};

/// What the mirror comes to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Everything, at once.
    Exact,
    /// Much of it late, and some of it never.
    LateOrLost,
    /// Everything of its own orders, and nothing of those of others.
    Strangers,
}

/// No order takes longer.
const LONGEST_ORDER: Duration = Duration::from_secs(86_400);

struct Running {
    owner: Owner,
    names: Names,
    in_window: bool,
    charges: Charges,
    reservation: Reservation,
    /// Whether the mirror was told that the order was accepted.
    ordered: bool,
    ends: SystemTime,
    /// What the CA did and when, if it is done and the mirror does not know yet.
    done: Option<(Outcome, SystemTime)>,
}

pub(crate) struct Episode {
    knowledge: Knowledge,
    random: Random,
    world: World,
    now: SystemTime,
    running: Vec<Running>,
    /// By position among the sets of names: the mirror's own books.
    last_issued: HashMap<usize, SystemTime>,
    /// Buckets of which the CA did not spend where the mirror had to think that it did.
    unequal: HashSet<BucketKey>,
    /// From a minute to a day and a half, in nanoseconds as a power of two.
    longest_step: u64,
    at: String,
}

impl Episode {
    pub(crate) fn new(number: u64, knowledge: Knowledge) -> Self {
        let random = Random::new(number.wrapping_mul(3).wrapping_add(knowledge as u64));
        let world = World::new(&random, knowledge == Knowledge::Strangers);
        Self {
            knowledge,
            world,
            now: SystemTime::UNIX_EPOCH
                + Duration::from_nanos(1_800_000_000_000_000_000 + random.below(1 << 40)),
            longest_step: random.between(36, 47),
            random,
            running: Vec::new(),
            last_issued: HashMap::new(),
            unequal: HashSet::new(),
            at: format!("{knowledge:?}, episode {number}"),
        }
    }

    pub(crate) fn run(mut self, operations: u64, tally: &mut Tally) {
        let begin = self.at.clone();
        for operation in 0..operations {
            self.at = format!("{begin}, operation {operation} (set ONLY to the episode to repeat it)");
            match self.random.below(100) {
                0..35 => self.order(tally),
                35..65 => self.proceed(tally),
                65..88 => self.step(tally),
                88..93 => self.register(tally),
                93..94 => self.crash(tally),
                _ if self.knowledge == Knowledge::Strangers => self.stranger(),
                _ => self.tell(tally),
            }
            if operation % 500 == 499 {
                self.check_all();
            }
        }
        while !self.running.is_empty() {
            self.end(0, tally);
        }
        self.check_all();
    }

    /// A new order: first the mirror is asked, then the CA.
    fn order(&mut self, tally: &mut Tally) {
        let at = self.random.index(self.world.sets.len());
        let (owner, names) = (self.random.one_of(&self.world.owners).clone(), self.world.sets[at].clone());
        let last_issued = self.last_issued.get(&at).copied();
        if self.knowledge != Knowledge::LateOrLost {
            // What an order costs is settled when it begins. Where two orders for one set run side by side, or one
            // runs across the end of the 120 days, the mirror must take the worse, and is not equal.
            let age = last_issued.map(|issued| self.now.duration_since(issued).unwrap());
            let in_between =
                age.is_some_and(|age| age < SAME_SET_WINDOW && age + LONGEST_ORDER >= SAME_SET_WINDOW);
            if in_between || self.running.iter().any(|running| running.names.set == names.set) {
                return;
            }
        }
        let in_window = self.random.percent(20);
        let kind = OrderKind::of(in_window, last_issued, self.now + LONGEST_ORDER);
        let charges = Charges::order(self.world.mirror.limits(), kind, &owner.account, &names.set);
        let facts =
            OrderFacts { account: &owner.url, identifiers: &names.set, replaces_in_window: in_window };

        let mirror = self.world.mirror.reserve(&charges, self.now);
        let refused = self.world.ca.new_order(&facts, self.now).err();
        match (mirror, refused) {
            (Ok(reservation), None) => {
                tally.reserved += 1;
                tally.renewals += u64::from(kind == OrderKind::SameSet);
                tally.replacements += u64::from(in_window);
                if self.random.percent(10) {
                    tally.refunded += 1;
                    self.world.ca.order_not_created(&facts, self.now);
                    self.world.mirror.release(reservation, self.now);
                } else {
                    self.accepted(owner, names, in_window, charges.clone(), reservation);
                }
            }
            (Ok(reservation), Some(refused)) => {
                assert!(self.knowledge == Knowledge::Strangers, "{}: let through: {refused}", self.at);
                self.world.mirror.release(reservation, self.now);
                self.correct(&owner, &names, &refused, tally);
            }
            (Err(denied), refused) => {
                let allowed = refused.is_none();
                if allowed {
                    self.world.ca.order_not_created(&facts, self.now);
                }
                self.check_denial(&charges, denied.by(), denied.retry_at(), refused, tally);
            }
        }
        self.check(&charges);
    }

    fn accepted(
        &mut self,
        owner: Owner,
        names: Names,
        in_window: bool,
        charges: Charges,
        mut reservation: Reservation,
    ) {
        let ordered = self.knowledge != Knowledge::LateOrLost || self.random.percent(70);
        if ordered {
            self.world.mirror.ordered(&mut reservation, self.now);
        }
        let ends = self.now + LONGEST_ORDER;
        self.running.push(Running {
            owner,
            names,
            in_window,
            charges,
            reservation,
            ordered,
            ends,
            done: None,
        });
    }

    /// A denial of the mirror alone must have a reason: tokens that are held, failures in a row, which the CA does
    /// not look at when an order comes, or a bucket of which the CA may have more.
    fn check_denial(
        &mut self,
        charges: &Charges,
        by: &DeniedBy,
        retry_at: Option<SystemTime>,
        refused: Option<Refused>,
        tally: &mut Tally,
    ) {
        let in_a_row = matches!(
            by,
            DeniedBy::Limit { key: BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(..), .. }
        );
        let is_held = charges.iter().any(|charge| {
            self.world.mirror.row(&charge.key).is_some_and(|row| row.held > 0)
                || self.unequal.contains(&charge.key)
        });
        let may_differ = self.knowledge != Knowledge::Exact || in_a_row || is_held;
        match refused {
            None => {
                tally.stricter += 1;
                assert!(may_differ, "{}: denied by {by:?}, and the CA allows", self.at);
            }
            Some(refused) if !may_differ => {
                tally.equal_denials += 1;
                let at = refused.retry_in.map(|wait| self.now + wait);
                assert_eq!(retry_at, at, "{}: {by:?} and {refused}", self.at);
            }
            Some(_) => {}
        }
    }

    /// Something happens to an order that runs.
    fn proceed(&mut self, tally: &mut Tally) {
        if !self.running.is_empty() {
            let at = self.random.index(self.running.len());
            self.end(at, tally);
        }
    }

    /// The CA is done with an order; the mirror learns of it now or later.
    fn end(&mut self, at: usize, tally: &mut Tally) {
        if self.running[at].done.is_none() {
            let outcome = self.at_the_ca(at, tally);
            self.running[at].done = Some((outcome, self.now));
            if self.knowledge == Knowledge::LateOrLost && self.random.percent(50) {
                return;
            }
        }
        let Running { names, charges, reservation, done, .. } = self.running.swap_remove(at);
        let (mut outcome, done_at) = done.unwrap();
        if self.knowledge == Knowledge::LateOrLost && self.random.percent(20) {
            outcome = Outcome::Unknown;
        }
        self.world.mirror.commit(reservation, &outcome, self.now);
        if outcome == Outcome::Done {
            let at = self.world.sets.iter().position(|other| other.set == names.set).unwrap();
            // The time of the CA, which stands in the certificate. News of an older one can come later.
            let known = self.last_issued.entry(at).or_insert(done_at);
            *known = done_at.max(*known);
        }
        self.check(&charges);
    }

    /// What the CA does with an order.
    fn at_the_ca(&mut self, at: usize, tally: &mut Tally) -> Outcome {
        let running = &self.running[at];
        let (owner, names) = (running.owner.clone(), running.names.clone());
        if self.random.percent(15) {
            tally.expired += 1;
            return Outcome::NotIssued { failed: Vec::new() };
        }
        let failed: Vec<HostName> = names.hosts.iter().filter(|_| self.random.percent(25)).cloned().collect();
        self.foresee(at, &failed, tally);
        for name in &names.hosts {
            if failed.contains(name) {
                tally.failed += 1;
                self.world.ca.validation_failed(&owner.url, name, self.now);
            } else {
                self.world.ca.validated(&owner.url, name);
                if self.knowledge != Knowledge::LateOrLost {
                    self.world.mirror.validated(&owner.account, name);
                }
            }
        }
        if !failed.is_empty() {
            return Outcome::NotIssued { failed };
        }
        tally.issued += 1;
        let in_window = self.running[at].in_window;
        let facts =
            OrderFacts { account: &owner.url, identifiers: &names.set, replaces_in_window: in_window };
        self.world.ca.issued(&facts, self.now);
        Outcome::Done
    }

    /// Marks the buckets that are empty at the CA when it is to spend of them: it spends nothing then.
    fn foresee(&mut self, at: usize, failed: &[HostName], tally: &mut Tally) {
        let issues = failed.is_empty();
        let mut empty = Vec::new();
        for charge in self.running[at].charges.iter() {
            let spends = match (&charge.key, charge.spent) {
                (_, Spent::AtIssuance) => issues,
                (
                    BucketKey::FailedAuthorizationsPerDomainPerAccount(_, name)
                    | BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name),
                    Spent::AtFailedValidation,
                ) => failed.contains(name),
                _ => false,
            };
            if spends && self.world.ca_remaining(&charge.key, self.now) == 0 {
                empty.push(charge.key.clone());
            }
        }
        tally.not_spent_by_the_ca += empty.len() as u64;
        self.unequal.extend(empty);
    }

    /// The clock goes on, often to just before, at or after a time at which something changes.
    fn step(&mut self, tally: &mut Tally) {
        let mut to = self.now + self.random.duration(self.longest_step);
        if self.random.percent(30) {
            let set = self.random.one_of(&self.world.sets).set.clone();
            let owner = self.random.one_of(&self.world.owners).account.clone();
            let key = if self.random.percent(50) {
                BucketKey::CertificatesPerFqdnSet(set)
            } else {
                BucketKey::NewOrdersPerAccount(owner)
            };
            if let Some(full_at) = self.world.ca_full_at(&key, self.now) {
                to = full_at - Duration::from_nanos(1) + Duration::from_nanos(self.random.below(3));
            }
        }
        if self.random.percent(2) {
            let issued = self.last_issued.get(&self.random.index(self.world.sets.len()));
            if let Some(issued) = issued {
                to = *issued + SAME_SET_WINDOW - Duration::from_nanos(1)
                    + Duration::from_nanos(self.random.below(3));
            }
        }
        let to = to.max(self.now);
        while let Some(at) = self.running.iter().position(|running| running.ends <= to) {
            let before = self.running.len();
            self.end(at, tally);
            if self.running.len() == before {
                // Its outcome was kept back, and comes now.
                self.end(at, tally);
            }
        }
        self.now = to;
    }

    /// A new account: an order that is done at once.
    fn register(&mut self, tally: &mut Tally) {
        let from: IpAddr = if self.random.percent(50) {
            IpAddr::from([192, 0, 2, u8::try_from(self.random.below(3)).unwrap()])
        } else {
            let (range, host) = (self.random.below(2), self.random.below(3));
            format!("2001:db8:{range:x}::{host:x}").parse().unwrap()
        };
        let charges = Charges::registration(from);
        let mirror = self.world.mirror.reserve(&charges, self.now);
        let refused = self.world.ca.new_account(from, self.now).err();
        match (mirror, refused) {
            (Ok(reservation), None) => {
                tally.accounts += 1;
                self.world.mirror.commit(reservation, &Outcome::Done, self.now);
            }
            (Err(denied), Some(refused)) => {
                assert_eq!(denied.retry_at(), refused.retry_in.map(|wait| self.now + wait), "{}", self.at);
            }
            (mirror, refused) => panic!("{}: {mirror:?} and {refused:?}", self.at),
        }
        self.check(&charges);
    }

    /// The mirror dies, and is made again from its rows and from the journal of the orders.
    fn crash(&mut self, tally: &mut Tally) {
        tally.crashes += 1;
        let rows: Vec<_> = self.world.mirror.rows().collect();
        let mut mirror = Budgets::new(self.world.mirror.limits().clone(), 10_000);
        for row in rows {
            assert!(mirror.restore(row, self.now), "{}", self.at);
        }
        self.world.mirror = mirror;
        for running in &mut self.running {
            running.reservation = Reservation::resume(running.charges.clone(), running.ordered);
        }
    }

    /// An outcome that was kept back comes.
    fn tell(&mut self, tally: &mut Tally) {
        if let Some(at) = self.running.iter().position(|running| running.done.is_some()) {
            self.end(at, tally);
        }
    }

    /// Another client of the CA, for the same names and domains.
    fn stranger(&mut self) {
        let (owner, names) =
            (self.random.one_of(&self.world.owners).clone(), self.random.one_of(&self.world.sets).clone());
        let facts = OrderFacts { account: &owner.url, identifiers: &names.set, replaces_in_window: false };
        if self.world.ca.new_order(&facts, self.now).is_ok() {
            self.world.ca.issued(&facts, self.now);
        }
    }

    /// After a refusal the bucket of the mirror is that of the CA, and so is the limit.
    fn correct(&mut self, owner: &Owner, names: &Names, refused: &Refused, tally: &mut Tally) {
        let key = self.key_of(owner, names, refused);
        let burst = u32::try_from(refused.burst).unwrap();
        let refusal =
            Refusal { retry_after: refused.retry_after.unwrap(), seen: Some((burst, refused.period)) };
        let before = self.world.mirror_full_at(&key, self.now);
        let correction = self.world.mirror.correct(&key, refusal, self.now).unwrap();
        tally.corrections += 1;
        if let Some(learned) = correction.learned {
            tally.learned += 1;
            let real = self.world.real.values().any(|limit| *limit == learned);
            assert!(real, "{}: {learned} was learned of {key:?}", self.at);
        }
        let ca = self.world.ca_full_at(&key, self.now);
        assert_eq!(self.world.mirror_full_at(&key, self.now), ca.max(before), "{}: {key:?}", self.at);
    }

    /// Which bucket refused; a client reads it from the text.
    fn key_of(&self, owner: &Owner, names: &Names, refused: &Refused) -> BucketKey {
        let domain = || refused.key.rsplit(':').next().unwrap().parse().unwrap();
        let account = owner.account.clone();
        match refused.limit {
            Limit::NewOrdersPerAccount => BucketKey::NewOrdersPerAccount(account),
            Limit::FailedAuthorizations => {
                let name = refused.key.rsplit(':').next().unwrap().parse().unwrap();
                BucketKey::FailedAuthorizationsPerDomainPerAccount(account, name)
            }
            Limit::CertificatesPerDomain => BucketKey::CertificatesPerDomain(domain()),
            Limit::CertificatesPerDomainPerAccount => {
                BucketKey::CertificatesPerDomainPerAccount(account, domain())
            }
            Limit::CertificatesPerExactSet => BucketKey::CertificatesPerFqdnSet(names.set.clone()),
            other => panic!("{}: {other} refused an order", self.at),
        }
    }

    /// Compares the buckets that an operation touched.
    fn check(&mut self, charges: &Charges) {
        for charge in charges.iter() {
            self.check_bucket(&charge.key);
        }
    }

    fn check_all(&mut self) {
        let keys: Vec<_> = self.world.mirror.rows().map(|row| row.key).collect();
        for key in keys {
            self.check_bucket(&key);
        }
    }

    fn check_bucket(&mut self, key: &BucketKey) {
        let (ca, mirror) = (self.world.ca_full_at(key, self.now), self.world.mirror_full_at(key, self.now));
        match self.knowledge {
            Knowledge::Exact if !self.unequal.contains(key) => {
                assert_eq!(mirror, ca, "{}: {key:?}", self.at);
            }
            Knowledge::Exact => {
                assert!(mirror >= ca, "{}: {key:?}: {mirror:?} and {ca:?}", self.at);
                if mirror.is_none() {
                    self.unequal.remove(key);
                }
            }
            // Tokens that are held stand in for what the mirror does not know yet.
            Knowledge::LateOrLost => {
                let held = self.world.mirror_held(key);
                let mirror = mirror.unwrap_or(self.now) + held;
                assert!(Some(mirror) >= ca, "{}: {key:?}: {mirror:?} and {ca:?}", self.at);
            }
            Knowledge::Strangers => {}
        }
    }
}
