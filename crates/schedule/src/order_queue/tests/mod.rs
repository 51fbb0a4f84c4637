mod queue;

use std::time::Duration;

use super::*;
use crate::budget::{Account, BucketKey, Budgets, DeniedBy, Limits, SharedDenial};

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + HOUR * 500_000
}
