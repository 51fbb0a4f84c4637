//! What is wanted.

use std::fmt;
use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;

use crate::Moment;
use crate::Window;
use crate::budget::{Account, NameSet, OrderKind};
use crate::queue::{Lane, NotInserted, Tenant};

/// An order that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The names.
    pub names: NameSet,
    /// The account that orders.
    pub account: Account,
    /// When the CA last issued for exactly these names, to any account.
    pub last_issued: Option<SystemTime>,
    /// The time in which an order that names its predecessor is exempt from the CA's limits (RFC 9773 section 5).
    /// Only for a predecessor of the same account that shares a name and has no other successor.
    pub ari_window: Option<Window>,
    /// The lane.
    pub lane: Lane,
    /// Whose share it is counted to.
    pub tenant: Tenant,
    /// When it should be done.
    pub deadline: SystemTime,
    /// The time before which it is not to be ordered.
    pub not_before: Option<SystemTime>,
}

/// Why a want was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WantError {
    /// The order of this key is under way.
    UnderWay,
    /// There are as many as there may be.
    Full,
    /// There are as many flows as there may be.
    TooManyFlows,
}

impl fmt::Display for WantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnderWay => "its order is under way",
            Self::Full => "too many orders are wanted",
            Self::TooManyFlows => "too many tenants, lanes and domains have wanted orders",
        })
    }
}

impl std::error::Error for WantError {}

impl From<NotInserted> for WantError {
    fn from(error: NotInserted) -> Self {
        match error {
            NotInserted::TooManyFlows => Self::TooManyFlows,
            NotInserted::Full | NotInserted::Present => Self::Full,
        }
    }
}

/// What is kept of a want beside its place in the queue: as little as there can be, because there may be a million.
#[derive(Clone, Debug)]
pub(super) struct Job {
    names: Names,
    pub(super) account: Account,
    last_issued: Moment,
    window_start: Moment,
    window_end: Moment,
}

/// The names of an order: in sixteen bytes, and for one name with nothing on the heap but its text.
#[derive(Clone, Debug)]
enum Names {
    One(HostName),
    Several(Box<NameSet>),
}

impl Names {
    fn of(set: &NameSet) -> Self {
        match set.names() {
            [only] => Self::One(only.clone()),
            _ => Self::Several(Box::new(set.clone())),
        }
    }
}

impl Job {
    pub(super) fn of(want: &Want) -> Self {
        Self {
            names: Names::of(&want.names),
            account: want.account.clone(),
            last_issued: Moment::or_never(want.last_issued),
            window_start: Moment::or_never(want.ari_window.map(|window| window.start())),
            window_end: Moment::or_never(want.ari_window.map(|window| window.end())),
        }
    }

    pub(super) fn names(&self) -> NameSet {
        match &self.names {
            Names::One(only) => NameSet::from(only.clone()),
            Names::Several(set) => NameSet::clone(set),
        }
    }

    pub(super) fn last_issued(&self) -> Option<SystemTime> {
        self.last_issued.time()
    }

    pub(super) fn window(&self) -> Option<Window> {
        Window::new(self.window_start.time()?, self.window_end.time_or_last())
    }

    /// What an order would be that is sent now and lasts so long.
    pub(super) fn kind(&self, now: SystemTime, lasts: Duration) -> OrderKind {
        let (first, last) = (Moment::of(now), Moment::of(now).after(ON_ITS_WAY));
        let in_window = self.window_start <= first && last < self.window_end;
        let done_at = now.checked_add(lasts).unwrap_or(now);
        OrderKind::of(in_window, self.last_issued(), done_at)
    }

    /// When an order that draws on shared buckets now would no longer do so.
    pub(super) fn exempt_from(&self, now: SystemTime) -> Option<Moment> {
        let opens_later = self.window_start > Moment::of(now) && self.window_start != Moment::NEVER;
        opens_later.then_some(self.window_start)
    }
}

/// How long a request may be on its way: the CA looks at the window when the request comes.
const ON_ITS_WAY: Duration = Duration::from_secs(60);
