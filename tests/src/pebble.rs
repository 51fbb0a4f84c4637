//! Pebble, the test CA of Let's Encrypt: the real ACME protocol, with real validation by DNS.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use crate::{Deadline, Directory, Fault, Process, free_address, https, setting, with_free_ports};

/// Until the directory must answer.
const START: Duration = Duration::from_secs(20);
/// For one request to the running server.
const REQUEST: Duration = Duration::from_secs(5);

/// How a [`Pebble`] behaves. [`PebbleConfig::with_resolver`] has Pebble's own defaults where it matters.
///
/// The switch that skips validation is not offered.
#[derive(Debug, Clone)]
pub struct PebbleConfig {
    /// The DNS server that Pebble asks, by TCP only, for every validation.
    pub dns_server: SocketAddr,
    /// How many percent of the good nonces are refused; Pebble's own default is 5.
    pub nonce_reject: u8,
    /// Whether the up to five seconds' sleep before each validation is left out.
    pub no_sleep: bool,
    /// How many percent of the valid authorizations are used again; Pebble's own default is 50, 0 proves every
    /// certificate again.
    pub authz_reuse: u8,
    /// `Retry-After` in seconds on an authorization in progress and on an order in progress; 0 sends none. Pebble
    /// sends it as seconds or as a date, by chance.
    ///
    /// With 0 a client looks again at once, and can meet the moment in which Pebble locks up: it holds a read lock on
    /// the order while it takes a second one, and the issuing task waits for the write lock between them.
    pub retry_after: RetryAfter,
    /// Profiles by name. An order without a profile gets one of them by chance.
    pub profiles: BTreeMap<String, Profile>,
    /// Whether the changes that may break clients are on (`-strict`).
    pub strict: bool,
    /// External accounts: MAC keys in base64url, by key identifier. With one or more, each registration needs one.
    pub external_accounts: BTreeMap<String, String>,
    /// Number of other roots, with a chain of each certificate to each of them.
    pub alternate_roots: u8,
}

/// `Retry-After` in seconds for the two kinds of objects that a client polls.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RetryAfter {
    /// For an authorization whose challenge is being validated.
    pub authz: u32,
    /// For an order that is being processed.
    pub order: u32,
}

/// A certificate profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What the directory tells about it.
    pub description: String,
    /// How long its certificates are valid, in whole seconds.
    ///
    /// Pebble's renewal window is a day before to a day after two thirds of it, cut to the validity: with 36 hours
    /// or less it is open at once.
    pub validity: Duration,
}

impl PebbleConfig {
    /// Validation by this DNS server, 5 % of nonces refused, no sleeping, one second of `Retry-After`, one profile
    /// `default` of 90 days, not strict.
    pub fn with_resolver(dns_server: SocketAddr) -> Self {
        let default =
            Profile { description: "the default".into(), validity: Duration::from_secs(90 * 86_400) };
        Self {
            dns_server,
            nonce_reject: 5,
            no_sleep: true,
            authz_reuse: 50,
            retry_after: RetryAfter { authz: 1, order: 1 },
            profiles: BTreeMap::from([("default".to_owned(), default)]),
            strict: false,
            external_accounts: BTreeMap::new(),
            alternate_roots: 0,
        }
    }

    /// The same with this validity for the profile `default`.
    #[must_use]
    pub fn validity(mut self, validity: Duration) -> Self {
        if let Some(profile) = self.profiles.get_mut("default") {
            profile.validity = validity;
        }
        self
    }
}

/// A running Pebble with its own listener certificate and folder.
#[derive(Debug)]
pub struct Pebble {
    process: Process,
    directory: Directory,
    management: String,
    issuing_root: PathBuf,
    // Last, so that the process is gone when its folder is removed.
    _folder: TempDir,
}

impl Pebble {
    /// Starts Pebble and waits until its directory answers over HTTPS.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not answer in time; the fault holds the end of its log.
    pub fn start(config: &PebbleConfig) -> Result<Self, Fault> {
        with_free_ports(|| Self::start_once(config))
    }

    fn start_once(config: &PebbleConfig) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for Pebble"))?;
        let (listen, management) = (free_address()?, free_address()?);
        write_listener_certificate(folder.path())?;
        let config_file = folder.path().join("pebble.json");
        write(&config_file, config_json(config, folder.path(), listen, management).to_string())?;

        let process = Process::start("pebble", setting::peer_program("pebble")?, |command| {
            command.arg("-config").arg(&config_file).arg("-dnsserver").arg(config.dns_server.to_string());
            if config.strict {
                command.arg("-strict");
            }
            if config.no_sleep {
                command.env("PEBBLE_VA_NOSLEEP", "1");
            }
            command
                .env("PEBBLE_WFE_NONCEREJECT", config.nonce_reject.to_string())
                .env("PEBBLE_AUTHZREUSE", config.authz_reuse.to_string())
                .env("PEBBLE_ALTERNATE_ROOTS", config.alternate_roots.to_string())
        })?;
        let deadline = Deadline::after(START);
        process.wait_for_stdout("the line that tells the directory", deadline, |line| {
            line.contains("ACME directory available at").then_some(())
        })?;

        let management = format!("https://{management}");
        let directory = Directory::new(format!("https://{listen}/dir"), folder.path().join("ca-root.pem"))
            .with_state_url(format!("{management}/cert-status-by-serial/1"));
        // The line comes just before the port is opened.
        let mut answered = directory.answers(REQUEST);
        while answered.is_err() && !deadline.has_passed() && process.is_running() {
            std::thread::sleep(Duration::from_millis(10));
            answered = directory.answers(REQUEST);
        }
        answered.map_err(|fault| process.fault(&format!("did not answer: {fault}")))?;

        let issuing_root = folder.path().join("issuing-root.pem");
        let pebble = Self { process, directory, management, issuing_root, _folder: folder };
        write(&pebble.issuing_root, pebble.ask(Method::GET, "/roots/0", None)?)?;
        Ok(pebble)
    }

    /// The directory: what `--directory` and `--ca-root` want.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The base of the management interface, without a slash at the end.
    pub fn management_url(&self) -> &str {
        &self.management
    }

    /// The PEM file with the root under which this Pebble issues, new at each start. It is not the root of its HTTPS.
    pub fn issuing_root(&self) -> &Path {
        &self.issuing_root
    }

    /// Returns a root in PEM: the default one has number 0, the others follow.
    ///
    /// # Errors
    /// If Pebble has no such root, or does not answer.
    pub fn root(&self, number: u8) -> Result<Vec<u8>, Fault> {
        self.ask(Method::GET, &format!("/roots/{number}"), None)
    }

    /// Replaces the renewal information of an issued certificate (RFC 9773 section 4.2) by `answer`, whatever it is.
    ///
    /// # Errors
    /// If Pebble did not issue that certificate, or does not answer.
    pub fn set_renewal_info(&self, certificate_pem: &str, answer: &str) -> Result<(), Fault> {
        let body = json!({ "certificate": certificate_pem, "ariResponse": answer });
        self.ask(Method::POST, "/set-renewal-info/", Some(body.to_string().into_bytes())).map(|_| ())
    }

    /// Every line of its log so far, within bounds.
    pub fn log(&self) -> Vec<String> {
        self.process.stdout()
    }

    fn ask(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>, Fault> {
        let root = fs::read(self.directory.ca_root()).map_err(Fault::while_doing("Pebble's root"))?;
        let url = format!("{}{path}", self.management);
        let answer = https::ask(method, &url, &root, body, REQUEST)?;
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(Fault::new(format!("Pebble answered {} to {url}: {text}", answer.status)));
        }
        Ok(answer.body)
    }
}

fn config_json(
    config: &PebbleConfig,
    folder: &Path,
    listen: SocketAddr,
    management: SocketAddr,
) -> serde_json::Value {
    let profiles: BTreeMap<_, _> = config
        .profiles
        .iter()
        .map(|(name, profile)| {
            let validity = profile.validity.as_secs();
            (name, json!({ "description": profile.description, "validityPeriod": validity }))
        })
        .collect();
    json!({ "pebble": {
        "listenAddress": listen,
        "managementListenAddress": management,
        "certificate": folder.join("listener.pem"),
        "privateKey": folder.join("listener-key.pem"),
        "keyAlgorithm": "ecdsa",
        "retryAfter": config.retry_after,
        "profiles": profiles,
        "externalAccountBindingRequired": !config.external_accounts.is_empty(),
        "externalAccountMACKeys": config.external_accounts,
    }})
}

/// Leaves `ca-root.pem`, `listener.pem` and `listener-key.pem` in the folder.
fn write_listener_certificate(folder: &Path) -> Result<(), Fault> {
    let failed = || Fault::while_doing("Pebble's listener certificate");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().map_err(failed())?).map_err(failed())?;

    let mut listener = CertificateParams::new(["localhost".to_owned()]).map_err(failed())?;
    listener.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    let key = KeyPair::generate().map_err(failed())?;
    let certificate = listener.signed_by(&key, &root).map_err(failed())?;

    write(&folder.join("ca-root.pem"), root.pem())?;
    write(&folder.join("listener.pem"), certificate.pem())?;
    write(&folder.join("listener-key.pem"), key.serialize_pem())
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Fault> {
    fs::write(path, content).map_err(Fault::while_doing(path.display()))
}
