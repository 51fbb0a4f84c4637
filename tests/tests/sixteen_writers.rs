//! Sixteen writers at one zone for a minute, on every name server at the same time, while each server is killed and
//! started again, and later stopped and started again. Nothing is lost, and nothing is left.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures stand in the log of the test command"
)]

use std::ops::DerefMut;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, Clock, SystemClock};
use fleetcert_dns::challenge::{ChallengeOptions, ChallengeRecord, Challenges};
use fleetcert_dns::{
    BackendError, DnsBackend, DnsBackendExt, ServerVerdict, Sighting, TxtValue, Verdict, Visibility,
};
use fleetcert_dns_wire::Transport;
use fleetcert_names::DomainName;
use fleetcert_tests::conformance::{backend, writer};
use fleetcert_tests::name_server::NameServer;
use fleetcert_tests::{Deadline, Fault};
use tokio::task::{JoinSet, block_in_place};

const ZONE: &str = "fleet.test";
const WRITERS: usize = 16;
/// Each has a zone writer and a connection of its own, as the processes of several nodes have.
const PROCESSES: usize = 4;
/// At the least, in three thirds: a server ends after each but the last.
const LASTS: Duration = Duration::from_secs(60);
/// Minimum orders in each third.
const ORDERS: usize = 100;
/// Deadline of each third, and of each publication and withdrawal. Generous, because a machine may be slow to start a
/// server.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Names that all writers share.
const NAMES: usize = 7;
/// Time between the kill and the restart of a server.
const DOWNTIME: Duration = Duration::from_millis(500);
/// Time between two steps of one order; this is no benchmark.
const STEP_INTERVAL: Duration = Duration::from_millis(10);
/// The test is stuck if it takes longer than this. Its own deadlines do not help where a lock is held for ever.
const STALL_TIMEOUT: Duration = Duration::from_secs(900);
/// Deadline until no server answers with a value any more.
const SWEEP_WITHIN: Duration = Duration::from_secs(30);

type Anything = Box<dyn std::error::Error + Send + Sync>;
type Server = Box<dyn DerefMut<Target = NameServer> + Send>;

fn servers() -> Result<Vec<(&'static str, Server)>, Fault> {
    Ok(vec![
        #[cfg(feature = "bind")]
        ("BIND", Box::new(fleetcert_tests::bind::Bind::start(ZONE)?)),
        #[cfg(feature = "knot")]
        ("Knot", Box::new(fleetcert_tests::knot::Knot::start(ZONE)?)),
        #[cfg(feature = "powerdns")]
        ("PowerDNS", Box::new(fleetcert_tests::powerdns::PowerDns::start(ZONE)?)),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_and_nothing_is_left() {
    let servers = servers().unwrap();
    assert!(!servers.is_empty(), "the features bind, knot and powerdns bring the servers");
    let (_over, is_over) = mpsc::channel::<()>();
    thread::spawn(move || {
        if is_over.recv_timeout(STALL_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("the writers stand still");
            process::abort();
        }
    });
    let mut trials = JoinSet::new();
    for (name, server) in servers {
        trials.spawn(async move { (name, trial(name, server).await) });
    }
    let mut failed = Vec::new();
    for (name, outcome) in trials.join_all().await {
        if let Err(error) = outcome {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What the writers have done so far.
#[derive(Debug, Default)]
struct Done {
    orders: AtomicUsize,
    withdrawn: AtomicUsize,
    abandoned: AtomicUsize,
}

async fn trial(name: &str, mut server: Server) -> Result<(), Anything> {
    let (done, enough) = (Arc::new(Done::default()), Arc::new(AtomicBool::new(false)));
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Process::new(&server)?);
    }
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (process, done, enough) = (processes[number % PROCESSES].clone(), done.clone(), enough.clone());
        writers.spawn(async move { write(number, &process, &enough, &done).await });
    }

    let mut orders = vec![write_on(&mut writers, &done).await?];
    for way_to_end in
        [NameServer::kill as fn(&mut NameServer), |server| server.stop().expect("the server stops")]
    {
        block_in_place(|| way_to_end(&mut server));
        SystemClock.sleep(DOWNTIME).await;
        block_in_place(|| server.start_again())?;
        // Work goes on after each start.
        orders.push(write_on(&mut writers, &done).await?);
    }
    enough.store(true, SeqCst);
    while let Some(writer) = writers.join_next().await {
        writer??;
    }

    // What a dropped call may still publish stays an orphan for a while.
    let (mut swept, patience) = (0, Deadline::after(SWEEP_WITHIN));
    for process in &processes {
        while process.challenges.orphans() > 0 && !patience.has_passed() {
            swept += process.challenges.sweep().await?;
            SystemClock.sleep(DOWNTIME).await;
        }
        assert_eq!(process.challenges.orphans(), 0, "{name}");
    }
    println!("{name}: {done:?}; orders in each third: {orders:?}; {swept} swept at the end");
    let zone = block_in_place(|| server.transfer())?;
    assert!(zone.iter().any(|line| line.contains("SOA")), "{zone:?}");
    let left: Vec<_> = zone.iter().filter(|line| line.contains("TXT")).collect();
    assert!(left.is_empty(), "{name}: {} values are left: {left:?}", left.len());
    Ok(())
}

/// Lets the writers go on for a third of the time at the least, until they have made enough orders. Returns how many.
async fn write_on(writers: &mut JoinSet<Result<(), Anything>>, done: &Done) -> Result<usize, Anything> {
    let (third, patience) = (Deadline::after(LASTS / 3), Deadline::after(TIMEOUT));
    let before = done.orders.load(SeqCst);
    loop {
        SystemClock.sleep(STEP_INTERVAL).await;
        if let Some(writer) = writers.try_join_next() {
            writer??;
            return Err("a writer ended before it was told to".into());
        }
        let made = done.orders.load(SeqCst) - before;
        if made > ORDERS && third.has_passed() {
            return Ok(made);
        }
        if patience.has_passed() {
            return Err(format!("{made} orders were made within {TIMEOUT:?}, of more than {ORDERS}").into());
        }
    }
}

/// What the tasks of one process share.
#[derive(Clone, Debug)]
struct Process {
    backend: Arc<dyn DnsBackend>,
    challenges: Challenges,
}

impl Process {
    fn new(server: &NameServer) -> Result<Self, Fault> {
        let backend: Arc<dyn DnsBackend> = Arc::new(writer(backend(server, Transport::Tcp)?));
        let visibility = Arc::new(AsTheServerHasIt(backend.clone()));
        let options = ChallengeOptions {
            publish_within: TIMEOUT,
            visible_within: TIMEOUT,
            withdraw_within: TIMEOUT,
            ..ChallengeOptions::default()
        };
        let challenges = Challenges::new(backend.clone(), visibility, Ambient::system(), options);
        Ok(Self { backend, challenges })
    }
}

/// One writer: an order after the other, with two values at one name, as for a name and its wildcard.
async fn write(writer: usize, process: &Process, enough: &AtomicBool, done: &Done) -> Result<(), Anything> {
    let zone: DomainName = ZONE.parse()?;
    for round in 0.. {
        if enough.load(SeqCst) {
            break;
        }
        let name: DomainName = format!("_acme-challenge.n{}.{ZONE}", (writer + round) % NAMES).parse()?;
        let mut records = Vec::new();
        for part in ["base", "wildcard"] {
            records.push(ChallengeRecord {
                zone: zone.clone(),
                name: name.clone(),
                value: format!("{writer}-{round}-{part}").parse()?,
                owner: format!("order {writer}-{round}").parse()?,
                expires: SystemClock.now() + Duration::from_secs(600),
            });
        }
        if round % 11 == 7 {
            // An order that is given up wherever it stands.
            let publish = process.challenges.publish(records);
            let patience = Duration::from_millis(u64::try_from(round % 13)?);
            if fleetcert_ambient::timeout(&SystemClock, patience, publish).await.is_err() {
                done.abandoned.fetch_add(1, SeqCst);
            }
            continue;
        }
        let published = process.challenges.publish(records).await?;
        published.wait_until_visible().await?;
        SystemClock.sleep(STEP_INTERVAL).await;
        for record in published.records() {
            require(process, &record.name, &record.value).await?;
        }
        done.orders.fetch_add(1, SeqCst);
        if round % 5 == 3 {
            drop(published);
            process.challenges.sweep().await?;
        } else {
            published.withdraw().await?;
            done.withdrawn.fetch_add(1, SeqCst);
        }
    }
    Ok(())
}

/// Nobody may have removed the value.
async fn require(process: &Process, name: &DomainName, value: &TxtValue) -> Result<(), Anything> {
    let zone = ZONE.parse()?;
    let patience = Deadline::after(TIMEOUT);
    loop {
        match process.backend.texts(&zone, name).await {
            Ok(texts) if texts.contains(value) => return Ok(()),
            Ok(texts) => return Err(format!("{value} is lost at {name}, where {texts:?} are").into()),
            Err(error) if error.retry_after().is_some() && !patience.has_passed() => {
                SystemClock.sleep(DOWNTIME).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sees what the server that takes the changes has.
#[derive(Debug)]
struct AsTheServerHasIt(Arc<dyn DnsBackend>);

#[async_trait]
impl Visibility for AsTheServerHasIt {
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError> {
        let seen = self.0.texts(zone, name).await?.contains(value);
        let verdict = if seen { Verdict::Seen } else { Verdict::NotSeen };
        Ok(Sighting { servers: vec![ServerVerdict { server: "the primary".to_owned(), verdict }] })
    }
}
