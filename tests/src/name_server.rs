//! What the name servers of the tests have in common: a primary zone that takes RFC 2136 updates signed with TSIG
//! (RFC 8945), on a loopback port of its own for UDP and TCP.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleetcert_ambient::{Entropy, SystemEntropy};
use tempfile::TempDir;

use crate::{Deadline, Fault, Finished, Process, free_address, setting, with_port_as_before};

/// For one run of a tool such as `nsupdate` or `dig`.
const TOOL: Duration = Duration::from_secs(10);
/// More for each line that `nsupdate` gets, which may be an update of its own.
const UPDATE: Duration = Duration::from_millis(50);
/// Until a server that was told to end has ended.
const STOP: Duration = Duration::from_secs(20);
/// The name of the TSIG key.
pub(crate) const KEY_NAME: &str = "fleetcert-tests";

/// What differs from one kind of server to another.
pub(crate) trait Software: fmt::Debug + Send + Sync {
    /// Writes configuration and zone into the folder of the place.
    fn prepare(&self, place: &Place) -> Result<(), Fault>;

    /// Starts the server on what was prepared, and waits until it answers. When a port is taken, the fault holds
    /// the line in which the server says so.
    fn launch(&self, place: &Place) -> Result<Process, Fault>;
}

/// Where a server stands, and what it serves.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) zone: String,
    pub(crate) key_secret: String,
    folder: TempDir,
}

impl Place {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Fault> {
        let path = self.path(file);
        write(&path, content)?;
        Ok(path)
    }

    /// Writes the zone as it is before any update, in the form of RFC 1035 section 5.
    pub(crate) fn write_zone(&self) -> Result<PathBuf, Fault> {
        let zone = &self.zone;
        self.write(
            "zone.db",
            format!(
                "$ORIGIN {zone}.\n\
                 $TTL 60\n\
                 @ IN SOA ns1 hostmaster 1 3600 600 86400 1\n\
                 @ IN NS ns1\n\
                 ns1 IN A 127.0.0.1\n"
            ),
        )
    }
}

/// A name server with one zone. It is killed when this value is dropped.
#[derive(Debug)]
pub struct NameServer {
    /// `None` while it is stopped.
    process: Option<Process>,
    place: Place,
    key_file: PathBuf,
    software: Box<dyn Software>,
}

impl NameServer {
    /// Starts the server with a primary zone of this name, empty but for SOA and NS. To be called through
    /// [`with_free_ports`](crate::with_free_ports).
    pub(crate) fn start(software: impl Software + 'static, zone: &str) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for a name server"))?;
        let key_file = folder.path().join("tsig.key");
        let key_secret = write_key(&key_file)?;
        let place = Place { address: free_address()?, zone: zone.to_owned(), key_secret, folder };
        software.prepare(&place)?;
        let process = software.launch(&place)?;
        Ok(Self { process: Some(process), place, key_file, software: Box::new(software) })
    }

    /// Tells the server to end, and waits until it has.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn stop(&mut self) -> Result<(), Fault> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.signal("TERM")?;
        process.finish(Deadline::after(STOP)).map(|_| ())
    }

    /// Kills the server, as a crash does: nothing is written that it had not written.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the server, and lets a stranger have its TCP port for so long.
    ///
    /// # Errors
    /// If the port is not available.
    pub fn lose_port(&mut self, held: Duration) -> Result<(), Fault> {
        self.kill();
        let stranger = TcpListener::bind(self.address()).map_err(Fault::while_doing("taking the port"))?;
        thread::spawn(move || {
            thread::sleep(held);
            drop(stranger);
        });
        Ok(())
    }

    /// Starts the server again on the port and the files that it had.
    ///
    /// # Errors
    /// If it does not start in time; the fault holds the end of its log.
    pub fn start_again(&mut self) -> Result<(), Fault> {
        self.stop()?;
        self.process = Some(with_port_as_before(|| self.software.launch(&self.place))?);
        Ok(())
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// The zone's name, as given.
    pub fn zone(&self) -> &str {
        &self.place.zone
    }

    /// The TSIG key in BIND's form `key "name" { … };`: hmac-sha256, may change everything in the zone.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// The name of the TSIG key.
    pub fn key_name(&self) -> &str {
        KEY_NAME
    }

    /// The TSIG secret in base64, for clients that do not read BIND's form.
    pub fn key_secret(&self) -> &str {
        &self.place.key_secret
    }

    /// Sends these lines (`add …`, `delete …`, `prereq …`) as one update with `nsupdate`, signed with `key_file`. A
    /// line `send` among them ends one update and begins the next.
    ///
    /// # Errors
    /// If the server refuses the update; the fault holds the reason that `nsupdate` tells.
    pub fn nsupdate(&self, key_file: &Path, lines: &[&str]) -> Result<(), Fault> {
        let Place { address, zone, .. } = &self.place;
        let server = format!("server {} {}\nzone {zone}", address.ip(), address.port());
        let script = self.place.write("update.txt", format!("{server}\n{}\nsend\n", lines.join("\n")))?;
        let within = TOOL + UPDATE * u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let arguments = ["-t", "15", "-k", &path_text(key_file)?, &path_text(&script)?];
        run_tool_within(within, "nsupdate", &arguments).map(|_| ())
    }

    /// The answer section that `dig +short` prints for a question, a line each.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn dig(&self, name: &str, record_type: &str) -> Result<Vec<String>, Fault> {
        self.run_dig(&["+short", "+norecurse", "+time=2", "+tries=2", name, record_type])
    }

    /// Every record of the zone, a line each in the form of RFC 1035 section 5, by a transfer (AXFR).
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn transfer(&self) -> Result<Vec<String>, Fault> {
        let key_file = path_text(&self.key_file)?;
        self.run_dig(&["-k", &key_file, "+noall", "+answer", "+onesoa", "+time=5", self.zone(), "AXFR"])
    }

    fn run_dig(&self, arguments: &[&str]) -> Result<Vec<String>, Fault> {
        let (server, port) = (format!("@{}", self.address().ip()), self.address().port().to_string());
        Ok(run_tool("dig", &[&["-r", &server, "-p", &port], arguments].concat())?.stdout)
    }

    /// Every line of its log since its last start, within bounds.
    pub fn log(&self) -> Vec<String> {
        self.process.as_ref().map(Process::stderr).unwrap_or_default()
    }
}

/// Makes a new hmac-sha256 key in BIND's form at `path`, and returns its secret in base64.
///
/// # Errors
/// If the file cannot be written.
pub fn write_key(path: &Path) -> Result<String, Fault> {
    let mut secret = [0; 32];
    SystemEntropy.fill(&mut secret);
    let secret = BASE64.encode(secret);
    write(path, format!("key \"{KEY_NAME}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n"))?;
    Ok(secret)
}

pub(crate) fn run_tool(name: &str, arguments: &[&str]) -> Result<Finished, Fault> {
    run_tool_within(TOOL, name, arguments)
}

fn run_tool_within(within: Duration, name: &str, arguments: &[&str]) -> Result<Finished, Fault> {
    Process::start(name, setting::peer_program(name)?, |command| command.args(arguments))?
        .finish(Deadline::after(within))?
        .success(name)
}

pub(crate) fn path_text(path: &Path) -> Result<String, Fault> {
    path.to_str().map(str::to_owned).ok_or_else(|| Fault::new(format!("{} is not UTF-8", path.display())))
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Fault> {
    fs::write(path, content).map_err(Fault::while_doing(path.display()))
}
