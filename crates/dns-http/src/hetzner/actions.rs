//! Changes that are done some time after they were asked for.

use fleetcert_dns::{BackendError, BackendErrorKind};

use super::messages::{Action, ActionReply, kind_of};
use crate::client::{Call, Request};

/// Waits until the action is done.
///
/// # Errors
/// `Unavailable` when the time of the call is over before; what the action failed with.
pub(super) async fn done(call: &Call<'_>, mut action: Action) -> Result<(), BackendError> {
    let mut round = 1;
    loop {
        match action.status.as_str() {
            "success" => return Ok(()),
            "running" => {}
            _ => {
                let code = action.error.map(|error| error.code).unwrap_or_default();
                let kind = kind_of(&code).unwrap_or(BackendErrorKind::Unavailable);
                return Err(
                    call.error(kind, format!("the action {} failed with the code {code:?}", action.id))
                );
            }
        }
        let pause = call.pause_after(round);
        if pause >= call.left() {
            let why = format!("the action {} is still running", action.id);
            return Err(call.error(BackendErrorKind::Unavailable, why));
        }
        call.http().clock().sleep(pause).await;
        round += 1;
        let request = Request::get(["actions", &action.id.to_string()]);
        action = call.send(&request).await?.json::<ActionReply>()?.action;
    }
}
