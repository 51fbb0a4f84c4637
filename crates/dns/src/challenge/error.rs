//! What can go wrong in the life of a challenge record.

use std::fmt;
use std::time::Duration;

use super::ChallengeRecord;
use crate::{BackendError, Sighting};

/// Some records are not in the state that was asked for.
#[derive(Debug)]
pub struct ChallengeError {
    kind: ChallengeErrorKind,
    unfinished: Vec<Unfinished>,
    source: Option<BackendError>,
}

/// Which state was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeErrorKind {
    /// The records could not be published. All of them are orphans now, since some may be out there; none is when a
    /// name outside its zone kept them from being tried.
    NotPublished,
    /// The records were published, but not enough servers show them in time. The guard still has them.
    NotVisible,
    /// The records could not be withdrawn, or it could not be proved that they are gone.
    NotWithdrawn,
}

/// A record that is not in the state that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The record.
    pub record: ChallengeRecord,
    /// What each server said last, where servers were asked.
    pub last_sighting: Option<Sighting>,
}

impl ChallengeError {
    pub(super) fn new(
        kind: ChallengeErrorKind,
        unfinished: Vec<Unfinished>,
        source: Option<BackendError>,
    ) -> Self {
        Self { kind, unfinished, source }
    }

    pub(super) fn of_records(
        kind: ChallengeErrorKind,
        records: &[ChallengeRecord],
        source: Option<BackendError>,
    ) -> Self {
        let unfinished =
            records.iter().map(|record| Unfinished { record: record.clone(), last_sighting: None }).collect();
        Self::new(kind, unfinished, source)
    }

    /// Which state was not reached.
    pub fn kind(&self) -> ChallengeErrorKind {
        self.kind
    }

    /// The records that are not in it.
    pub fn unfinished(&self) -> &[Unfinished] {
        &self.unfinished
    }

    /// What the backend, or the look at the servers, said last, if it was an error.
    pub fn backend_error(&self) -> Option<&BackendError> {
        self.source.as_ref()
    }

    /// When the same call may succeed: `None` for never as it is. Servers that lag may do better at any time.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.source {
            Some(error) => error.retry_after(),
            None => Some(Duration::ZERO),
        }
    }
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.kind {
            ChallengeErrorKind::NotPublished => "not published",
            ChallengeErrorKind::NotVisible => "not visible on the servers of the zone",
            ChallengeErrorKind::NotWithdrawn => "not withdrawn",
        };
        match self.unfinished.as_slice() {
            [one] => write!(f, "the challenge record at {} is {state}", one.record.name)?,
            many => write!(f, "{} challenge records are {state}", many.len())?,
        }
        if let Some((record, sighting)) = self.unfinished.iter().find_map(Unfinished::sighted) {
            write!(f, "; {} at {sighting}", record.name)?;
        }
        match &self.source {
            Some(source) => write!(f, "; {source}"),
            None => Ok(()),
        }
    }
}

impl Unfinished {
    fn sighted(&self) -> Option<(&ChallengeRecord, &Sighting)> {
        self.last_sighting.as_ref().map(|sighting| (&self.record, sighting))
    }
}

impl std::error::Error for ChallengeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
