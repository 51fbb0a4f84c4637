//! Events as lines of `tracing`.

use std::error::Error;
use std::time::SystemTime;

use tracing::{debug, error, info, warn};

use crate::{Event, Events};

/// The default listener: each event is one structured line of `tracing`, with its cause.
///
/// Levels: `ERROR` for the events that [`Event`] calls an alarm, `WARN` for failures and what holds orders back,
/// `DEBUG` for the steps of an order, `INFO` for the rest. Times are in UTC. Where the lines go is for the program's
/// subscriber.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingEvents;

impl Events for TracingEvents {
    fn notify(&self, event: &Event<'_>) {
        match event {
            Event::Enrolled { device, name } => info!(%device, %name, "device enrolled"),
            Event::EnrolmentRefused { code } => warn!(code, "enrolment refused"),
            Event::EnrolmentPending { code } => info!(code, "enrolment pending"),
            Event::Unauthenticated => warn!("request of no known device refused"),
            Event::Denied { device, why } => warn!(%device, why, "request denied"),
            Event::AddressesChanged { name, addresses } => info!(%name, ?addresses, "addresses reported"),
            Event::AddressesPublished { names } => info!(names, "addresses published"),
            Event::ZoneFailed { error, retry_at } => {
                warn!(cause = with_sources(*error), retry_at = utc(*retry_at), "zone not changed");
            }
            Event::RequestAccepted { name, renewal } => info!(%name, renewal, "certificate request accepted"),
            Event::RequestRefused { name, why } => warn!(%name, why, "certificate request refused"),
            Event::Order { name, step } => debug!(%name, ?step, "order took a step"),
            Event::Issued { name, replaces } => info!(%name, replaces, "certificate issued"),
            Event::OrderHeld { name, by, until } => {
                warn!(%name, ?by, until = utc(*until), "order held back by a rate limit");
            }
            Event::OrdersHeld { by, until } => {
                warn!(?by, until = utc(*until), "orders held back by a shared rate limit");
            }
            Event::BreakerOpened { of, until } => {
                warn!(%of, until = utc(*until), "new orders stopped: dependency does not work");
            }
            Event::BreakerClosed { of } => info!(%of, "dependency works again"),
            Event::ClockDoubted { why, until } => {
                warn!(?why, until = utc(*until), "new orders stopped: clock is in doubt");
            }
            Event::ClockBelieved => info!("clock is trusted again"),
            Event::LimitReached { key, retry_after } => {
                warn!(limit = %key, retry_after_seconds = retry_after.as_secs(), "CA refused for a rate limit");
            }
            Event::LimitLearned { key, limit } => {
                warn!(bucket = %key, ?limit, "rate limit of the CA learned");
            }
            // The CA's text has the link that lifts the pause: it is for no log.
            Event::NamePaused { name, until, .. } => {
                error!(%name, until = utc(*until), "CA paused the name for this account");
            }
            Event::OrderFailed { name, why, retry_at } => {
                warn!(%name, why, retry_at = retry_at.map(utc), "order failed");
            }
            Event::WrongCertificate { name, why } => error!(%name, why, "CA returned a wrong certificate"),
            Event::WorkPanicked { name, why } => error!(name, why, "work on an order panicked"),
            Event::RenewalWindow { name, window, renew_at } => info!(
                %name,
                start = utc(window.start()),
                end = utc(window.end()),
                renew_at = utc(*renew_at),
                "renewal window set",
            ),
            Event::RenewalsPaced { certificates, until, late } => {
                warn!(certificates, until = utc(*until), late, "CA wants certificates renewed at once");
            }
            Event::RenewalUnknown { name, why } => warn!(%name, why, "renewal window not known"),
            Event::Swept { records } => info!(records, "orphaned challenge records removed"),
            Event::NotSwept { why } => warn!(why, "orphaned challenge records not removed"),
            Event::ChallengesPileUp { zone, records } => {
                error!(%zone, records, "zone has too many challenge records");
            }
            Event::StoreFailed { why } => error!(why, "store failed"),
        }
    }
}

/// An error and all that caused it, as one text.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors print their source themselves.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn utc(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}
