//! BIND, the name server: a primary zone that takes RFC 2136 updates signed with TSIG (RFC 8945).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Deadline, Fault, Finished, Process, free_address, setting};

/// Until named says that it runs.
const START: Duration = Duration::from_secs(20);
/// For one run of `tsig-keygen`, `nsupdate` or `dig`.
const TOOL: Duration = Duration::from_secs(10);
/// How often another port is tried when a stranger took one.
const ATTEMPTS: usize = 3;
/// The name of the TSIG key.
const KEY_NAME: &str = "fleetcert-tests";

/// A running named with one zone, on a loopback port of its own for UDP and TCP.
#[derive(Debug)]
pub struct Bind {
    process: Process,
    address: SocketAddr,
    zone: String,
    key_file: PathBuf,
    secret: String,
    folder: TempDir,
}

impl Bind {
    /// Starts named with an empty primary zone of this name, and waits until it runs.
    ///
    /// # Errors
    /// If a program is missing, ends, or does not start in time; the fault holds the end of its log.
    pub fn start(zone: &str) -> Result<Self, Fault> {
        let mut attempt = 1;
        loop {
            match Self::start_once(zone) {
                Err(fault) if attempt < ATTEMPTS && fault.to_string().contains("address in use") => {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn start_once(zone: &str) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for named"))?;
        let address = free_address()?;
        let key_file = folder.path().join("tsig.key");
        let secret = write_key(&key_file)?;
        write(&folder.path().join("zone.db"), zone_file(zone))?;
        let configuration = folder.path().join("named.conf");
        write(&configuration, named_conf(zone, folder.path(), address))?;

        let process = Process::start("named", setting::peer_program("named")?, |command| {
            command.arg("-g").args(["-n", "1"]).arg("-c").arg(&configuration)
        })?;
        let started = process.wait_for_stderr("the line that it runs", Deadline::after(START), |line| {
            if line.ends_with(" running") {
                Some(true)
            } else if line.contains("address in use") {
                // named goes on without the interface, and would answer nobody.
                Some(false)
            } else {
                None
            }
        })?;
        if !started {
            return Err(process.fault("did not get its port"));
        }
        Ok(Self { process, address, zone: zone.to_owned(), key_file, secret, folder })
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The zone's name, as given.
    pub fn zone(&self) -> &str {
        &self.zone
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
        &self.secret
    }

    /// Sends these lines (`add …`, `delete …`, `prereq …`) as one update with `nsupdate`, signed with `key_file`.
    ///
    /// # Errors
    /// If the server refuses the update; the fault holds the reason that `nsupdate` tells.
    pub fn nsupdate(&self, key_file: &Path, lines: &[&str]) -> Result<(), Fault> {
        let script = self.folder.path().join("update.txt");
        let server = format!("server {} {}\nzone {}", self.address.ip(), self.address.port(), self.zone);
        write(&script, format!("{server}\n{}\nsend\n", lines.join("\n")))?;
        run_tool("nsupdate", &["-t", "5", "-k", &path_text(key_file)?, &path_text(&script)?]).map(|_| ())
    }

    /// The answer section that `dig +short` prints for a question, a line each.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn dig(&self, name: &str, record_type: &str) -> Result<Vec<String>, Fault> {
        let (server, port) = (format!("@{}", self.address.ip()), self.address.port().to_string());
        let options = ["-r", &server, "-p", &port, "+short", "+norecurse", "+time=2", "+tries=2"];
        let finished = run_tool("dig", &[options.as_slice(), &[name, record_type]].concat())?;
        Ok(finished.stdout)
    }

    /// Every line of its log so far, within bounds.
    pub fn log(&self) -> Vec<String> {
        self.process.stderr()
    }
}

/// Makes a new hmac-sha256 key in BIND's form at `path`, and returns its secret in base64.
///
/// # Errors
/// If `tsig-keygen` is missing or fails.
pub fn write_key(path: &Path) -> Result<String, Fault> {
    let key = run_tool("tsig-keygen", &["-a", "hmac-sha256", KEY_NAME])?.stdout.join("\n");
    let secret = key.split('"').nth(3).ok_or_else(|| Fault::new("tsig-keygen printed no secret"))?.to_owned();
    write(path, key)?;
    Ok(secret)
}

fn zone_file(zone: &str) -> String {
    format!(
        "$ORIGIN {zone}.\n\
         $TTL 60\n\
         @ IN SOA ns1 hostmaster 1 3600 600 86400 1\n\
         @ IN NS ns1\n\
         ns1 IN A 127.0.0.1\n"
    )
}

fn named_conf(zone: &str, folder: &Path, address: SocketAddr) -> String {
    let (folder, ip, port) = (folder.display(), address.ip(), address.port());
    format!(
        r#"include "{folder}/tsig.key";
controls {{ }};
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    managed-keys-directory "{folder}";
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    notify no;
    allow-transfer {{ key "{KEY_NAME}"; }};
}};
zone "{zone}" {{
    type primary;
    file "zone.db";
    update-policy {{ grant "{KEY_NAME}" zonesub ANY; }};
}};
"#
    )
}

fn run_tool(name: &str, arguments: &[&str]) -> Result<Finished, Fault> {
    Process::start(name, setting::peer_program(name)?, |command| command.args(arguments))?
        .finish(Deadline::after(TOOL))?
        .success(name)
}

fn path_text(path: &Path) -> Result<String, Fault> {
    path.to_str().map(str::to_owned).ok_or_else(|| Fault::new(format!("{} is not UTF-8", path.display())))
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Fault> {
    fs::write(path, content).map_err(Fault::while_doing(path.display()))
}
