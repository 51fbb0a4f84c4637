//! The promises of [`Authority`], as checks that you can run on your own implementation.
//!
//! Give [`check`] an authority, a zone that the CA issues for, and a publisher for it. It places a dozen orders,
//! gets one certificate, and revokes it.
//!
//! ```no_run
//! use fleetcert_acme::conformance::{Subject, check};
//! # async fn run(subject: Subject) {
//! if let Err(broken) = check(&subject).await {
//!     panic!("{broken}");
//! }
//! # }
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use fleetcert_ambient::{Ambient, timeout};
use fleetcert_dns::challenge::Challenges;
use fleetcert_names::{DomainName, HostName, Identifier, IdentifierSet};
use fleetcert_x509::{Chain, CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::order::OrderState;
use crate::{
    AcmeError, AcmeErrorKind, Authority, Driver, DriverOptions, Job, MemoryJournal, NewOrder, NoObserver,
    OrderHandle, OrderStatus, Outcome, ProblemKind, RevocationReason,
};

/// An authority under test and its surroundings.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Authority under test.
    pub authority: Arc<dyn Authority>,
    /// Zone that the CA issues for. The checks order names below its label `conformance`.
    pub zone: DomainName,
    /// Publisher of challenge records in the zone.
    pub challenges: Challenges,
    /// Identifier for which the CA refuses to issue.
    pub refused: Identifier,
    /// Time, which bounds each check.
    pub ambient: Ambient,
}

/// A promise of [`Authority`] that the authority under test does not keep.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// What the authority did instead.
    pub found: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.found)
    }
}

impl std::error::Error for Broken {}

/// Time for one check.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Orders that are placed at the same time, each on a thread of its own.
const THREADS: usize = 4;

type Verdict = Result<(), String>;

/// Runs every check, inside a tokio runtime. Each ends within a minute.
///
/// # Errors
/// The first promise that is not kept.
pub async fn check(subject: &Subject) -> Result<(), Broken> {
    let mut chain = None;
    let issuing = async {
        chain = Some(issue(subject).await?);
        Ok(())
    };
    named(subject, "an order leads to the certificate that was ordered", issuing).await?;
    let chain = chain.expect("the check above passed");
    named(subject, "a wildcard and its base have two challenges at one name", wildcard(subject)).await?;
    named(subject, "a refused identifier is Refused, with a problem", refused(subject)).await?;
    named(subject, "an order is found again by its URL after a lost answer", resumed(subject)).await?;
    named(subject, "an unknown order is NotFound", unknown_order(subject)).await?;
    named(subject, "a renewal window ends after it begins, and is polled", window(subject, &chain)).await?;
    named(subject, "orders placed at once on several threads stay apart", side_by_side(subject)).await?;
    named(subject, "a second revocation is Refused as AlreadyRevoked", revoked(subject, &chain)).await
}

async fn named(
    subject: &Subject,
    promise: &'static str,
    verdict: impl Future<Output = Verdict>,
) -> Result<(), Broken> {
    let verdict = timeout(&*subject.ambient.clock, TIME_LIMIT, verdict).await;
    let verdict = verdict.unwrap_or_else(|_| Err(format!("timed out after {} s", TIME_LIMIT.as_secs())));
    verdict.map_err(|found| Broken { promise, found })
}

fn require(holds: bool, found: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(found()) }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl Subject {
    fn host(&self, label: &str) -> Result<HostName, String> {
        format!("{label}.conformance.{}", self.zone).parse().map_err(text)
    }

    /// Places an order.
    async fn place(&self, identifiers: IdentifierSet) -> Result<Box<dyn OrderHandle>, AcmeError> {
        self.authority.new_order(&NewOrder::new(identifiers)).await
    }
}

async fn issue(subject: &Subject) -> Result<Chain, String> {
    let host = subject.host("issued")?;
    let key = KeyPair::generate(KeyKind::P256).map_err(text)?;
    let csr = csr_for(&host.clone().into(), &key).map_err(text)?;
    let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).map_err(text)?;
    let driver = Driver {
        authority: Arc::clone(&subject.authority),
        challenges: subject.challenges.clone(),
        ambient: subject.ambient.clone(),
        options: DriverOptions::default(),
    };
    let job = Job { zone: &subject.zone, csr: &csr, roots: None, lifetime: None };
    let wanted = OrderState::Wanted { order: NewOrder::new(host.into()) };
    match driver.drive(&job, wanted, &MemoryJournal::default(), &NoObserver).await.map_err(text)? {
        Outcome::Issued { chain, .. } => Ok(chain),
        Outcome::Failed { failure, .. } | Outcome::Suspended { failure, .. } => Err(failure.message),
    }
}

async fn wildcard(subject: &Subject) -> Verdict {
    let base = subject.host("wildcard")?;
    let both = IdentifierSet::new([base.clone().into(), Identifier::wildcard(base)]).map_err(text)?;
    let challenges = subject.place(both.clone()).await.map_err(text)?.challenges().await.map_err(text)?;
    let identifiers = IdentifierSet::new(challenges.iter().map(|it| it.identifier.clone())).map_err(text)?;
    require(challenges.len() == 2 && identifiers == both, || format!("challenges for {identifiers}"))?;
    let values: BTreeSet<_> = challenges.iter().filter_map(|challenge| challenge.value.as_ref()).collect();
    require(values.len() == 2, || format!("{} different values", values.len()))
}

async fn refused(subject: &Subject) -> Verdict {
    match subject.place(subject.refused.clone().into()).await {
        Ok(order) => Err(format!("placed {}", order.url())),
        Err(error) => require(error.kind() == AcmeErrorKind::Refused && error.problem().is_some(), || {
            format!("{:?}: {error}", error.kind())
        }),
    }
}

async fn resumed(subject: &Subject) -> Verdict {
    let identifiers = IdentifierSet::from(subject.host("resumed")?);
    {
        // A call that is dropped: its answer is lost.
        let mut lost = std::pin::pin!(subject.place(identifiers.clone()));
        let _ = timeout(&*subject.ambient.clock, Duration::from_millis(1), lost.as_mut()).await;
    }
    let placed = subject.place(identifiers.clone()).await.map_err(text)?;
    let url = placed.url().to_owned();
    drop(placed);
    let mut found = subject.authority.resume(&url).await.map_err(text)?;
    require(found.url() == url, || format!("{} instead of {url}", found.url()))?;
    require(found.status() == OrderStatus::Pending, || format!("the status {:?}", found.status()))?;
    is_for(&mut *found, &identifiers).await
}

async fn unknown_order(subject: &Subject) -> Verdict {
    let placed = subject.place(subject.host("unknown")?.into()).await.map_err(text)?;
    match subject.authority.resume(&format!("{}0", placed.url())).await {
        Ok(order) => Err(format!("an order at {}", order.url())),
        Err(error) => {
            require(error.kind() == AcmeErrorKind::NotFound, || format!("{:?}: {error}", error.kind()))
        }
    }
}

async fn window(subject: &Subject, chain: &Chain) -> Verdict {
    let id = chain.leaf().certificate_id().map_err(text)?;
    let info = match subject.authority.renewal_info(&id).await {
        // A CA may have no renewal information.
        Err(error) if error.kind() == AcmeErrorKind::InvalidInput => return Ok(()),
        answer => answer.map_err(text)?,
    };
    require(info.start < info.end, || format!("{:?} to {:?}", info.start, info.end))?;
    let bounds = Duration::from_secs(60)..=Duration::from_secs(86_400);
    require(bounds.contains(&info.poll_after), || format!("polled after {:?}", info.poll_after))
}

async fn side_by_side(subject: &Subject) -> Verdict {
    let barrier = Arc::new(Barrier::new(THREADS));
    let mut threads = JoinSet::new();
    for number in 0..THREADS {
        let (subject, barrier, runtime) = (subject.clone(), Arc::clone(&barrier), Handle::current());
        threads.spawn_blocking(move || {
            barrier.wait();
            runtime.block_on(place_and_read(&subject, number))
        });
    }
    let mut urls = BTreeSet::new();
    while let Some(placed) = threads.join_next().await {
        urls.insert(placed.map_err(text)??);
    }
    require(urls.len() == THREADS, || format!("{} orders instead of {THREADS}", urls.len()))
}

async fn place_and_read(subject: &Subject, number: usize) -> Result<String, String> {
    let identifiers = IdentifierSet::from(subject.host(&format!("thread-{number}"))?);
    let mut order = subject.place(identifiers.clone()).await.map_err(text)?;
    is_for(&mut *order, &identifiers).await?;
    Ok(order.url().to_owned())
}

async fn is_for(order: &mut dyn OrderHandle, identifiers: &IdentifierSet) -> Verdict {
    let challenges = order.challenges().await.map_err(text)?;
    let found = IdentifierSet::new(challenges.into_iter().map(|it| it.identifier)).map_err(text)?;
    require(found == *identifiers, || format!("an order for {found} instead of {identifiers}"))
}

async fn revoked(subject: &Subject, chain: &Chain) -> Verdict {
    let der = &chain.certificates()[0];
    let revoke = || subject.authority.revoke(der, RevocationReason::Superseded);
    revoke().await.map_err(text)?;
    match revoke().await {
        Ok(()) => Err("revoked again".to_owned()),
        Err(error) => {
            let already = error.problem().is_some_and(|it| it.kind == ProblemKind::AlreadyRevoked);
            require(error.kind() == AcmeErrorKind::Refused && already, || {
                format!("{:?}: {error}", error.kind())
            })
        }
    }
}
