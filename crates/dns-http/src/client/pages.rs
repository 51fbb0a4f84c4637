//! Lists that the server divides into pages.

use fleetcert_dns::{BackendError, BackendErrorKind};

use super::{Call, Reply, Request};

impl<'a> Call<'a> {
    /// Reads all pages of a list, beginning with `first`. `parse` returns the items of a page, and the request for the
    /// next one.
    ///
    /// # Errors
    /// Those of the requests and of `parse`; `Unavailable` if there are more pages than allowed, so that no server can
    /// make a list infinite.
    pub(crate) async fn list<T>(
        &self,
        first: Request,
        parse: impl Fn(&Reply<'a>) -> Result<(Vec<T>, Option<Request>), BackendError>,
    ) -> Result<Vec<T>, BackendError> {
        let mut items = Vec::new();
        let mut next = Some(first);
        for _ in 0..self.http().options().max_pages {
            let Some(request) = next else { return Ok(items) };
            let (page, following) = parse(&self.send(&request).await?)?;
            items.extend(page);
            next = following;
        }
        match next {
            None => Ok(items),
            Some(_) => Err(self.error(BackendErrorKind::Unavailable, "the list has more pages than allowed")),
        }
    }
}
