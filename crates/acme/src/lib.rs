//! The DNS-01 order as a pure state machine, and a client on instant-acme that survives a crash at every step.
//!
//! Use it to get certificates from an ACME CA (RFC 8555) by DNS-01 when an order must not be lost in a crash. A
//! [`Client`] knows one CA; an [`Account`] at it is an [`Authority`]. A [`Driver`] takes an order from
//! [`order::State::Wanted`] to a checked certificate: it publishes the TXT values of all identifiers, waits until every
//! server shows them, answers the challenges, sends the CSR, downloads the chain, compares it with the order, and
//! withdraws the TXT values in any case. Each step is written to a [`Journal`] before it is taken, and an order
//! resumes from any entry. A failure is data: [`Fault`], [`order::Failure`], [`RateLimit`].
//!
//! When to order, and whether the CA's limits allow it, is for the caller to decide; [`PacedAuthority`] keeps to the
//! CA's requests per second. [`conformance`] checks your own [`Authority`].
//!
//! ```
//! use fleetcert_acme::order::State;
//! use fleetcert_acme::{
//!     AccountKey, Client, ClientOptions, Driver, DriverOptions, Job,
//!     MemoryJournal, NewOrder, NoObserver, Outcome, TermsOfService,
//! };
//! use fleetcert_ambient::{Ambient, SystemClock};
//! use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
//! use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
//! use std::sync::Arc;
//! # use fleetcert_ambient::SystemEntropy;
//! # use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
//! # use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
//! # use fleetcert_testkit::{TestCa, TestCaOptions};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let zone: fleetcert_names::DomainName = "fleet.test".parse()?;
//! # let host = NameServerHost { name: "ns1.fleet.test".parse()?, addresses: ["127.0.0.1".parse()?].into() };
//! # let server = NameServer::new([ZoneSettings::new(zone.clone(), [host])], Options::default(), Ambient::system())?;
//! # let listener = server.listen("127.0.0.1:0".parse()?).await?;
//! # let options = TestCaOptions::new(listener.local_addr());
//! # let servers = Servers::given(vec![listener.local_addr()])?;
//! # let (ca, service) = TestCa::start(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
//! # let stop = tokio_util::sync::CancellationToken::new();
//! # tokio::spawn(listener.serve(stop.clone()));
//! # tokio::spawn(service.serve(stop.clone()));
//! # let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), Ambient::system());
//! # let (directory, backend) = (ca.directory_url(), server);
//! # let roots_pem = Some(ca.listener_root_pem().as_bytes().to_vec());
//! # let options = ClientOptions { roots_pem, ..ClientOptions::default() };
//! // `directory`: the CA's URL. `backend` changes the zone `fleet.test`, and
//! // `visibility` sees what its servers show.
//! let clock = Arc::new(SystemClock);
//! let client = Client::new(directory, &options, clock.clone())?;
//! let account_key = AccountKey::generate()?; // store it before you register
//! let account = client.register(account_key, TermsOfService::Agreed).await?;
//! let challenges = Challenges::new(
//!     Arc::new(backend),
//!     Arc::new(visibility),
//!     Ambient::system(),
//!     ChallengeOptions::default(),
//! );
//! let authority = Arc::new(account);
//! let options = DriverOptions::default();
//! let driver = Driver { authority, challenges, clock, options };
//!
//! let key = KeyPair::generate(KeyKind::P256)?;
//! let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
//! let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt())?;
//! let zone = "fleet.test".parse()?;
//! let job = Job { zone: &zone, csr: &csr, roots: None, lifetime: None };
//! let order = NewOrder::new("xi8qz.fleet.test".parse()?);
//! let wanted = State::Wanted { order };
//! let journal = MemoryJournal::default(); // yours outlives a crash
//! match driver.drive(&job, wanted, &journal, &NoObserver).await? {
//!     Outcome::Issued { chain, .. } => println!("{}", chain.to_pem()),
//!     // Drive it again later, from the last entry of the journal.
//!     Outcome::Suspended { failure, .. } => panic!("not yet: {failure}"),
//!     Outcome::Failed { failure, .. } => panic!("failed: {failure}"),
//! }
//! # stop.cancel();
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod client;
pub mod conformance;
mod driver;
mod error;
pub mod order;
mod paced;
mod problem;
mod rate_limit;

pub use authority::{
    Authority, AuthorizationStatus, Dns01, NewOrder, OrderHandle, OrderStatus, Reading, RenewalInfo,
    RevocationReason,
};
pub use client::{
    Account, AccountFile, AccountKey, Client, ClientOptions, Credentials, TermsOfService, Traffic,
};
pub use driver::{
    Driver, DriverOptions, Entry, Job, Journal, JournalError, MemoryJournal, NoObserver, Observer, Outcome,
    Step,
};
pub use error::{AcmeError, AcmeErrorKind, Fault, Operation};
pub use paced::PacedAuthority;
pub use problem::{Problem, ProblemKind};
pub use rate_limit::{NamePause, RateLimit};
