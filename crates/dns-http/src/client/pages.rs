//! The bound on the pages of a list.

use fleetcert_dns::{BackendError, BackendErrorKind};

use super::Call;

/// Counts the pages of one list, so that no server can make it infinite.
///
/// ```text
/// let mut pages = PageCount::new(call);
/// let mut next = Some(1);
/// while let Some(page) = next {
///     pages.turn()?;
///     …
/// }
/// ```
#[derive(Debug)]
pub(crate) struct PageCount<'a> {
    call: Call<'a>,
    turned: usize,
}

impl<'a> PageCount<'a> {
    pub(crate) fn new(call: Call<'a>) -> Self {
        Self { call, turned: 0 }
    }

    /// Counts one more page.
    ///
    /// # Errors
    /// `Unavailable` if there are too many.
    pub(crate) fn turn(&mut self) -> Result<(), BackendError> {
        self.turned += 1;
        if self.turned <= self.call.http().options().max_pages {
            return Ok(());
        }
        Err(self.call.error(BackendErrorKind::Unavailable, "the list has more pages than allowed"))
    }
}
