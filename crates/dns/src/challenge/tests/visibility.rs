//! Waiting until the servers show a value.

use super::*;

/// Shows a value on one server after a number of looks; another server shows it at once.
#[derive(Debug, Default)]
struct Lagging {
    looks: Mutex<BTreeMap<DomainName, usize>>,
    shows_after: usize,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

#[async_trait]
impl Visibility for Lagging {
    async fn look(&self, _: &DomainName, name: &DomainName, _: &TxtValue) -> Result<Sighting, BackendError> {
        let now = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.max_in_flight.fetch_max(now, SeqCst);
        SystemClock.sleep(Duration::from_millis(10)).await;
        self.in_flight.fetch_sub(1, SeqCst);
        let looks = *self.looks.lock().entry(name.clone()).and_modify(|looks| *looks += 1).or_insert(1);
        let second = if looks > self.shows_after { Verdict::Seen } else { Verdict::NotSeen };
        let server = |server: &str, verdict| ServerVerdict { server: server.to_owned(), verdict };
        Ok(Sighting { servers: vec![server("one", Verdict::Seen), server("two", second)] })
    }
}

fn seen_by(visibility: Arc<dyn Visibility>, options: ChallengeOptions) -> Challenges {
    Challenges::new(Arc::new(scripted()), visibility, Ambient::system(), options)
}

fn forty() -> Vec<ChallengeRecord> {
    (0..40).map(|number| record(&format!("d{number}"), "1")).collect()
}

#[tokio::test(start_paused = true)]
async fn records_are_looked_at_concurrently_until_all_are_visible() {
    let servers = Arc::new(Lagging { shows_after: 3, ..Lagging::default() });
    let all = seen_by(servers.clone(), ChallengeOptions::default());
    let start = tokio::time::Instant::now();
    let published = all.publish(forty()).await.unwrap();
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 40);
    assert!(servers.looks.lock().values().all(|looks| *looks == 4));
    assert_eq!(servers.max_in_flight.load(SeqCst), 16);
    // Four rounds of three times 10 ms, and delays of 100, 200 and 400 ms.
    assert_eq!(start.elapsed().as_millis(), 4 * 30 + 700);
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn timeout_error_has_the_last_sighting() {
    let servers = Arc::new(Lagging { shows_after: usize::MAX, ..Lagging::default() });
    let all = seen_by(servers.clone(), ChallengeOptions::default());
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = published.wait_until_visible().await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(120));
    assert_eq!(error.kind(), ChallengeErrorKind::NotVisible);
    assert_eq!(
        error.to_string(),
        "the challenge record at _acme-challenge.a.fleet.test is not visible on the servers of the zone; \
         _acme-challenge.a.fleet.test at one: seen, two: not there"
    );
    published.withdraw().await.unwrap();

    let options = ChallengeOptions { quorum: Quorum::AtLeastOne, ..ChallengeOptions::default() };
    let published = seen_by(servers, options).publish(vec![record("a", "1")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wait_ends_when_a_record_expires() {
    let servers = Arc::new(Lagging { shows_after: usize::MAX, ..Lagging::default() });
    let all = seen_by(servers, ChallengeOptions::default());
    let expired = ChallengeRecord { expires: std::time::SystemTime::UNIX_EPOCH, ..record("a", "1") };
    let published = all.publish(vec![expired]).await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(published.wait_until_visible().await.is_err());
    assert!(start.elapsed() < Duration::from_millis(50));
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn permanent_error_of_a_look_ends_the_wait() {
    let nothing = Arc::new(MemoryBackend::new([]));
    let all = seen_by(nothing, ChallengeOptions::default());
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = published.wait_until_visible().await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(error.backend_error().unwrap().operation(), Operation::Look);
    published.withdraw().await.unwrap();
}
