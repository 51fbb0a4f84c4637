//! What holds for every request and every answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LINK, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};

use crate::answer::{link, text};
use crate::shared::ServerState;
use crate::{Problem, Resource};

const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// Stands before all handlers: takes or refuses the request, and completes the answer.
///
/// An answer to a GET other than newNonce has no nonce: it would be wasted, as clients of the directory and of
/// renewal information sign nothing (RFC 8555 section 6.5 asks for one only after a POST).
pub(crate) async fn front(
    State(shared): State<Arc<ServerState>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let resource = Resource::at(request.uri().path());
    let with_nonce = request.method() == Method::POST || resource == Some(Resource::NewNonce);
    let has_user_agent = request.headers().get(USER_AGENT).is_some_and(|agent| !agent.is_empty());
    let mut response = match admit(&shared, resource, peer(&request), has_user_agent).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };

    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if with_nonce {
        headers.insert(REPLAY_NONCE, text(&shared.nonces.give(&*shared.entropy)));
    }
    if resource != Some(Resource::Directory) {
        headers.append(LINK, link(&shared.urls.of(Resource::Directory), "index"));
    }
    response
}

async fn admit(
    shared: &ServerState,
    resource: Option<Resource>,
    from: Option<IpAddr>,
    has_user_agent: bool,
) -> Result<(), Problem> {
    if let Some(resource) = resource {
        shared.issuer.admit(resource, from).await?;
    }
    if has_user_agent {
        Ok(())
    } else {
        Err(Problem::malformed("the request has no User-Agent (RFC 8555 section 6.1)"))
    }
}

/// Who is at the other end, if the server says so.
pub(crate) fn peer(request: &Request<Body>) -> Option<IpAddr> {
    let peer: &ConnectInfo<SocketAddr> = request.extensions().get()?;
    Some(peer.0.ip().to_canonical())
}

pub(crate) async fn no_such_resource() -> Problem {
    Problem::not_found("resource")
}

pub(crate) async fn wrong_method() -> Problem {
    Problem::malformed("this resource does not have that method").with_status(405)
}
