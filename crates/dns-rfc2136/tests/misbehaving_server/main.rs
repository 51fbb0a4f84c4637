//! RFC 8945 section 5.3 and RFC 2136 section 3.8: servers that forge, fail, disappear and return.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_input;
mod fail_over;
mod kept_connection;
mod pacing;
mod replies;
mod script;
mod tls_front;
