//! Our transport under the library that signs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use parking_lot::Mutex;

use super::directory::Directory;
use super::lenient::{absolute, for_library};
use super::reply::Reply;
use super::traffic::Purpose;
use super::wire::Wire;
use crate::AcmeError;

/// The transport that instant-acme uses in place of a network.
///
/// It answers the directory and newNonce from what is known, sends the rest over the [`Wire`], and keeps the reply,
/// because the library drops its headers. The library gets the reply's object in the form that it parses. A refusal
/// never reaches the library: it comes out as the [`AcmeError`] that it is, so that nothing of it is lost and a refused
/// nonce is retried here.
#[derive(Debug)]
pub(super) struct Tap {
    wire: Arc<Wire>,
    directory: Arc<Directory>,
    account_url: Option<String>,
    last: LastReply,
}

/// The last good reply that came through a [`Tap`].
#[derive(Clone, Debug, Default)]
pub(super) struct LastReply(Arc<Mutex<Option<Reply>>>);

impl LastReply {
    pub(super) fn take(&self) -> Option<Reply> {
        self.0.lock().take()
    }

    fn set(&self, reply: Option<Reply>) {
        *self.0.lock() = reply;
    }
}

impl Tap {
    pub(super) fn new(wire: Arc<Wire>, directory: Arc<Directory>, account_url: Option<&str>) -> Self {
        Self { wire, directory, account_url: account_url.map(str::to_owned), last: LastReply::default() }
    }

    pub(super) fn last(&self) -> LastReply {
        self.last.clone()
    }

    fn purpose(&self, url: &str) -> Purpose {
        if url == self.directory.new_account || Some(url) == self.account_url.as_deref() {
            Purpose::Account
        } else if Some(url) == self.directory.revoke_cert.as_deref() {
            Purpose::Revocation
        } else {
            Purpose::Order
        }
    }
}

impl HttpClient for Tap {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let url = request.uri().to_string();
        let method = request.method().clone();
        let (wire, directory, last) = (self.wire.clone(), self.directory.clone(), self.last.clone());
        let purpose = self.purpose(&url);
        Box::pin(async move {
            if method == Method::HEAD {
                let nonce = wire.nonce(&directory.new_nonce).await.map_err(ours)?;
                let mut headers = HeaderMap::new();
                let value = HeaderValue::try_from(nonce).expect("the pool holds base64url only");
                headers.insert("replay-nonce", value);
                return Ok(response(StatusCode::OK, headers, Bytes::new()));
            }
            if method == Method::GET {
                return Ok(response(StatusCode::OK, HeaderMap::new(), directory.for_library()));
            }
            last.set(None);
            let Ok(body) = request.into_body().collect().await;
            let target = wire.own_url(&url).map_err(ours)?;
            let mut reply =
                wire.exchange(purpose, method, &url, Some(body.to_bytes())).await.map_err(ours)?;
            if let Some(location) = reply.location().map(|location| absolute(&target, location))
                && let Ok(location) = HeaderValue::try_from(location)
            {
                reply.headers.insert(LOCATION, location);
            }
            // The nonce is in the pool; the library must not use it a second time.
            let mut headers = reply.headers.clone();
            headers.remove("replay-nonce");
            let answer = response(reply.status, headers, for_library(&reply.body, &target));
            last.set(Some(reply));
            Ok(answer)
        })
    }
}

fn ours(error: AcmeError) -> instant_acme::Error {
    instant_acme::Error::Other(Box::new(error))
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> BytesResponse {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = status;
    parts.headers = headers;
    BytesResponse { parts, body: Box::new(body) }
}
