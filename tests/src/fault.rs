//! Why a peer or a program did not do what the test needs.

use std::error::Error;
use std::fmt;

/// One failure of a test's surroundings, told in full: what was tried, and the end of the log.
///
/// It carries text only, as it is read by people and never decided upon. `Debug` is the text itself, so that
/// `unwrap` and a test that returns it both print it readably.
pub struct Fault(String);

impl Fault {
    /// A fault with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Turns any error into a fault that says what was being done.
    pub fn while_doing<E: Error>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| {
            let mut text = format!("{what}: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            Self(text)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Fault {}
