//! Authorisation as a value.

use fleetcert_names::HostName;
use fleetcert_protocol::DeviceId;

/// What a device wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Publish its addresses.
    ReportAddresses,
    /// Ask for a certificate.
    RequestCertificate,
    /// See how its certificate stands.
    ReadCertificate,
}

/// The permission for one device to do one thing to its own name.
///
/// Only [`Engine::authorize`](crate::Engine::authorize) makes one, after the device was authenticated and the
/// [`Authorizer`](crate::Authorizer) agreed; everything that is done for a device asks for one. It names the
/// device and the host, so that a request has no say in whose name is touched.
#[derive(Debug)]
pub struct Grant {
    device: DeviceId,
    name: HostName,
    action: Action,
}

impl Grant {
    pub(crate) fn new(device: DeviceId, name: HostName, action: Action) -> Self {
        Self { device, name, action }
    }

    /// Who may.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// To which name.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// What.
    pub fn action(&self) -> Action {
        self.action
    }
}
