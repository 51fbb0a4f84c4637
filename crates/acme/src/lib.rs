//! The DNS-01 order as a pure state machine, and a client on instant-acme that survives a crash at every step.
//!
//! Use it to get certificates from an ACME CA (RFC 8555) by DNS-01 when an order must not be lost in a crash. A
//! [`Client`] knows one CA; an [`Account`] at it is an [`Authority`]. A [`Driver`] takes an order from
//! [`Wanted`](order::OrderState::Wanted) to a checked certificate: it publishes the TXT values of all identifiers, waits
//! until every server shows them, answers the challenges, sends the CSR, downloads the chain, compares it with the
//! order, and withdraws the TXT values on success and on failure. It writes each step to a [`Journal`] before it takes
//! the step, and an order resumes from any entry. A failure is data: [`Fault`], [`order::Failure`], [`RateLimit`].
//!
//! When to order, and whether the CA's limits allow it, is the caller's decision; [`PacedAuthority`] keeps to the CA's
//! requests per second. [`conformance`] checks your own [`Authority`].
//!
//! ```
//! use fleetcert_acme::order::OrderState;
//! use fleetcert_acme::{
//!     AccountKey, Client, Driver, Job, MemoryJournal, NewOrder, NoObserver,
//!     Outcome, TermsOfService::Agreed,
//! };
//! use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
//! use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
//! # use fleetcert_acme::ClientOptions;
//! # use fleetcert_ambient::Ambient;
//! # use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
//! # use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
//! # use fleetcert_testkit::{TestCa, TestCaOptions};
//! # use std::sync::Arc;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let ambient = Ambient::system();
//! # let zone: fleetcert_names::DomainName = "fleet.test".parse()?;
//! # let host = NameServerHost { name: "ns1.fleet.test".parse()?, addresses: ["127.0.0.1".parse()?].into() };
//! # let server = NameServer::new([ZoneSettings::new(zone.clone(), [host])], Options::default(), ambient.clone())?;
//! # let listener = server.listen("127.0.0.1:0".parse()?).await?;
//! # let options = TestCaOptions::new(listener.local_addr());
//! # let servers = Servers::given(vec![listener.local_addr()])?;
//! # let (ca, service) = TestCa::start(options, ambient.clock.clone(), ambient.entropy.clone()).await?;
//! # let stop = tokio_util::sync::CancellationToken::new();
//! # tokio::spawn(listener.serve(stop.clone()));
//! # tokio::spawn(service.serve(stop.clone()));
//! # let looks = LookOptions::default();
//! # let visibility = Arc::new(AuthoritativeVisibility::new(servers, looks, ambient.clone()));
//! # let (url, backend) = (ca.directory_url(), Arc::new(server));
//! # let roots_pem = Some(ca.listener_root_pem().as_bytes().to_vec());
//! # let options = ClientOptions { roots_pem, ..ClientOptions::default() };
//! // `url` is that of the CA's directory, `backend` changes `zone`, and
//! // `visibility` shows what the zone's servers answer.
//! let client = Client::new(url, &options, ambient.clone())?;
//! let account_key = AccountKey::generate()?; // store it first
//! let account = client.register(account_key, Agreed).await?;
//! let options = ChallengeOptions::default();
//! let challenges = Challenges::new(backend, visibility, ambient.clone(), options);
//! let driver = Driver::new(account, challenges, ambient);
//!
//! let names = "xi8qz.fleet.test".parse()?;
//! let csr = csr_for(&names, &KeyPair::generate(KeyKind::P256)?)?;
//! let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt())?;
//! let job = Job::new(&zone, &csr);
//! let wanted = OrderState::Wanted { order: NewOrder::new(names) };
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
    Account, AccountFile, AccountKey, Client, ClientOptions, Credentials, ExternalAccount, Registration,
    TermsOfService, Traffic,
};
pub use driver::{
    ChainPreference, Driver, DriverOptions, Entry, Job, Journal, JournalError, MemoryJournal, NoObserver,
    Observer, Outcome, Step,
};
pub use error::{AcmeError, AcmeErrorKind, Fault, Operation};
pub use fleetcert_jose::ProblemKind;
pub use paced::PacedAuthority;
pub use problem::Problem;
pub use rate_limit::{NamePause, RateLimit};
