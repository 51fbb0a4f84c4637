//! The engine's events as log lines.

use fleetcert_engine::{Event, Events};

/// Writes each event of the engine to the program's `tracing` log: routine ones as `debug`, what an operator wants to see
/// as `info`, failures that are retried as `warn`, alarms as `error`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogEvents;

impl Events for LogEvents {
    fn notify(&self, event: &Event<'_>) {
        match event {
            Event::WrongCertificate { .. } | Event::WorkPanicked { .. } => tracing::error!(?event),
            Event::ZoneFailed { .. }
            | Event::StoreFailed { .. }
            | Event::OrderFailed { .. }
            | Event::BreakerOpened { .. }
            | Event::ClockDoubted { .. }
            | Event::LimitReached { .. }
            | Event::NamePaused { .. }
            | Event::NotSwept { .. }
            | Event::ChallengesPileUp { .. } => tracing::warn!(?event),
            Event::Enrolled { .. }
            | Event::AddressesPublished { .. }
            | Event::RequestAccepted { .. }
            | Event::RequestRefused { .. }
            | Event::Issued { .. }
            | Event::OrdersHeld { .. }
            | Event::BreakerClosed { .. } => tracing::info!(?event),
            _ => tracing::debug!(?event),
        }
    }
}
