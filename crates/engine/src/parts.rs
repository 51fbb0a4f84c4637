//! The parts of an engine.

use std::sync::Arc;

use fleetcert_acme::Authority;
use fleetcert_ambient::Ambient;
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_dns::{DnsBackend, Visibility};
use fleetcert_store::Store;

use crate::policy::{AddressPolicy, Authorizer, DeviceAuthenticator, Enroller, LabelPolicy};
use crate::{
    DeviceKeys, EngineOptions, Events, OneTimeTokens, OwnName, PrivateAddresses, RandomLabels, TracingEvents,
};

/// The parts of an [`Engine`](crate::Engine). [`EngineParts::new`] fills in safe ones; each field can be replaced.
#[derive(Clone, Debug)]
pub struct EngineParts {
    /// Settings.
    pub options: EngineOptions,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// CA, with an account.
    pub authority: Arc<dyn Authority>,
    /// Writer of the fleet zone.
    pub backend: Arc<dyn DnsBackend>,
    /// Publication and withdrawal of challenge records.
    pub challenges: Challenges,
    /// Policy that admits devices. Default: [`OneTimeTokens`].
    pub enroller: Arc<dyn Enroller>,
    /// Policy that finds the device behind a request. Default: [`DeviceKeys`].
    pub authenticator: Arc<dyn DeviceAuthenticator>,
    /// Policy that decides what a device may do. Default: [`OwnName`].
    pub authorizer: Arc<dyn Authorizer>,
    /// Policy that chooses the label of a new device. Default: [`RandomLabels`].
    pub labels: Arc<dyn LabelPolicy>,
    /// Policy for published addresses. Default: [`PrivateAddresses`].
    pub addresses: Arc<dyn AddressPolicy>,
    /// Listener for events. Default: [`TracingEvents`].
    pub events: Arc<dyn Events>,
    /// Time and randomness.
    pub ambient: Ambient,
}

impl EngineParts {
    /// Returns the parts that these six need beside them, with safe defaults: one-time enrolment tokens, requests
    /// signed with device keys, random labels, private addresses only, and each event as a line of `tracing`.
    ///
    /// `visibility` says when a challenge record is on every server of the zone. `fleetcert-dns-lookup` has the
    /// one for zones on real name servers, `AuthoritativeVisibility`.
    ///
    /// ```
    /// use fleetcert_acme::Account;
    /// use fleetcert_ambient::Ambient;
    /// use fleetcert_dns::{DnsBackend, Visibility};
    /// use fleetcert_engine::{AskedLabels, Engine, EngineOptions, EngineParts};
    /// use fleetcert_names::DomainName;
    /// use fleetcert_store::MemoryStore;
    /// use std::sync::Arc;
    ///
    /// fn office(
    ///     zone: DomainName,
    ///     account: Account,
    ///     backend: Arc<dyn DnsBackend>,
    ///     visibility: Arc<dyn Visibility>,
    /// ) -> Engine {
    ///     let mut parts = EngineParts::new(
    ///         EngineOptions::new(zone),
    ///         Arc::new(MemoryStore::new()),
    ///         Arc::new(account),
    ///         backend,
    ///         visibility,
    ///         Ambient::system(),
    ///     );
    ///     parts.labels = Arc::new(AskedLabels::default());
    ///     Engine::new(parts)
    /// }
    /// ```
    pub fn new(
        options: EngineOptions,
        store: Arc<dyn Store>,
        authority: Arc<dyn Authority>,
        backend: Arc<dyn DnsBackend>,
        visibility: Arc<dyn Visibility>,
        ambient: Ambient,
    ) -> Self {
        let own_ambient = ambient.clone();
        Self {
            challenges: Challenges::new(
                backend.clone(),
                visibility,
                own_ambient,
                ChallengeOptions::default(),
            ),
            enroller: Arc::new(OneTimeTokens::new(Arc::clone(&store))),
            authenticator: Arc::new(DeviceKeys::new(Arc::clone(&store))),
            authorizer: Arc::new(OwnName),
            labels: Arc::new(RandomLabels),
            addresses: Arc::new(PrivateAddresses),
            events: Arc::new(TracingEvents),
            options,
            store,
            authority,
            backend,
            ambient,
        }
    }
}
