//! lego, the ACME client to stand beside in a comparison: DNS-01 through RFC 2136.

use parking_lot::Mutex;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::bind::Bind;
use crate::pebble::Pebble;
use crate::{Deadline, Fault, Process, Stopwatch, setting};

/// For one certificate.
const CERTIFICATE: Duration = Duration::from_secs(90);
/// What Pebble has to answer in, when it is asked whether it still lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// lego with an account at one Pebble and one zone, in a folder of its own.
#[derive(Debug)]
pub struct Lego<'a> {
    pebble: &'a Pebble,
    bind: &'a Bind,
    program: PathBuf,
    /// Since 4.21 the check for propagation has options of its own.
    old_options: bool,
    folder: TempDir,
}

/// What a measured run of lego took.
///
/// lego looks at an authorization at once, and if Pebble has not validated by then, again only after about five seconds:
/// it reads `Retry-After` from the answer to the challenge, where Pebble sends none, whatever its configuration. So the
/// times fall into two groups, and only the fast one is work.
#[derive(Debug)]
pub struct Measured {
    /// Certificates issued: one process and one certificate for each name.
    pub certificates: usize,
    /// From the first process to the end of the last.
    pub wall: Duration,
    /// Each process by itself, in the order of the names.
    pub each: Vec<Duration>,
}

impl Measured {
    /// Certificates per second over the whole.
    pub fn per_second(&self) -> f64 {
        self.certificates as f64 / self.wall.as_secs_f64()
    }
}

impl<'a> Lego<'a> {
    /// Prepares lego for this CA and this zone; nothing is asked of them yet.
    ///
    /// # Errors
    /// If the program is missing.
    pub fn new(pebble: &'a Pebble, bind: &'a Bind) -> Result<Self, Fault> {
        let program = setting::peer_program("lego")?;
        let version = Process::start("lego", &program, |command| command.arg("--version"))?
            .finish(Deadline::after(Duration::from_secs(10)))?
            .success("lego")?
            .stdout
            .join(" ");
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for lego"))?;
        Ok(Self { pebble, bind, program, old_options: is_before_4_21(&version), folder })
    }

    /// One certificate for each name, `at_once` processes at a time, under one account, and how long that took.
    ///
    /// The first name goes alone, as its process makes the account.
    ///
    /// # Errors
    /// If one of the processes fails or takes more than 90 s; the fault holds the end of its log.
    pub fn issue_each(&self, names: &[String], at_once: usize) -> Result<Measured, Fault> {
        let watch = Stopwatch::start();
        let mut each = vec![Duration::ZERO; names.len()];
        if let Some(first) = names.first() {
            each[0] = self.issue(first)?;
        }
        let waiting = Mutex::new(names.iter().zip(&mut each).skip(1));
        let outcomes = thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once.max(1))
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let next = waiting.lock().next();
                            let Some((name, took)) = next else { return Ok(()) };
                            *took = self.issue(name)?;
                        }
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker.join().unwrap_or_else(|_| Err(Fault::new("a thread that ran lego panicked")))
                })
                .collect::<Vec<_>>()
        });
        outcomes.into_iter().collect::<Result<(), Fault>>()?;
        Ok(Measured { certificates: names.len(), wall: watch.elapsed(), each })
    }

    /// The chain that lego wrote for this name.
    pub fn chain(&self, name: &str) -> PathBuf {
        self.folder.path().join("certificates").join(format!("{name}.crt"))
    }

    /// The private key that lego wrote for this name.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join("certificates").join(format!("{name}.key"))
    }

    fn issue(&self, name: &str) -> Result<Duration, Fault> {
        let server = self.bind.address().to_string();
        let process = Process::start("lego", &self.program, |command| {
            command
                .args([
                    "--accept-tos",
                    "--email",
                    "lego@fleet.test",
                    "--server",
                    self.pebble.directory().url(),
                ])
                .arg("--path")
                .arg(self.folder.path())
                .args(["--dns", "rfc2136", "--dns.resolvers", &server, "--domains", name]);
            // The zone's own name servers would be looked for at port 53, so the resolver given is asked instead.
            if self.old_options {
                command.arg("--dns.disable-cp");
            } else {
                command.args(["--dns.propagation-disable-ans", "--dns.propagation-rns"]);
            }
            command
                .arg("run")
                .env("LEGO_CA_CERTIFICATES", self.pebble.directory().ca_root())
                .env("RFC2136_NAMESERVER", &server)
                .env("RFC2136_TSIG_KEY", format!("{}.", self.bind.key_name()))
                .env("RFC2136_TSIG_SECRET", self.bind.key_secret())
                .env("RFC2136_TSIG_ALGORITHM", "hmac-sha256.")
                .env("RFC2136_POLLING_INTERVAL", "0")
                .env("RFC2136_SEQUENCE_INTERVAL", "0")
                .env("HOME", self.folder.path())
        })?;
        let finished =
            process.finish(Deadline::after(CERTIFICATE)).and_then(|finished| finished.success("lego"));
        match finished {
            Ok(finished) => Ok(finished.wall),
            Err(fault) => {
                Err(Fault::new(format!("{fault}\n  {}", self.pebble.directory().diagnosis(SIGN_OF_LIFE))))
            }
        }
    }
}

/// Whether this is what a lego before 4.21 prints for `--version`.
fn is_before_4_21(version: &str) -> bool {
    let number =
        version.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let mut parts = number.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) < (4, 21)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_decides_the_options() {
        assert!(is_before_4_21("lego version 4.9.1 linux/amd64"));
        assert!(!is_before_4_21("lego version 4.35.2 linux/amd64"));
        assert!(!is_before_4_21("lego version 5.0 linux/amd64"));
    }
}
