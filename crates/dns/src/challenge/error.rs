//! Errors in the life cycle of a challenge record.

use std::fmt;
use std::time::Duration;

use super::ChallengeRecord;
use crate::{BackendError, Sighting};

/// The error for records that did not reach the requested state.
#[derive(Debug)]
pub struct ChallengeError {
    kind: ChallengeErrorKind,
    unfinished: Vec<Unfinished>,
    source: Option<BackendError>,
}

/// The state that was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeErrorKind {
    /// The records could not be published. All of them are now orphans, since some may be visible; none is an orphan
    /// if a name outside its zone prevented the attempt.
    NotPublished,
    /// The records were published, but too few servers show them in time. The guard still holds them.
    NotVisible,
    /// The records could not be withdrawn, or their removal could not be verified.
    NotWithdrawn,
}

/// A record that did not reach the requested state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Record.
    pub record: ChallengeRecord,
    /// Last verdict of each server, if servers were asked.
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

    /// Returns the state that was not reached.
    pub fn kind(&self) -> ChallengeErrorKind {
        self.kind
    }

    /// Returns the records that did not reach it.
    pub fn unfinished(&self) -> &[Unfinished] {
        &self.unfinished
    }

    /// Returns the last error of the backend or of the visibility, if there was one.
    pub fn backend_error(&self) -> Option<&BackendError> {
        self.source.as_ref()
    }

    /// Returns the wait after which the same call may succeed, or `None` if it cannot. Zero for servers that lag.
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
