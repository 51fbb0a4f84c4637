//! PostgreSQL: a cluster of its own in a temporary folder, on a loopback port of its own.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Deadline, Fault, Process, free_address, setting, with_free_ports, with_port_as_before};

/// For `initdb`.
const MAKE: Duration = Duration::from_secs(60);
/// Until the server takes connections; after a crash it goes through its log first.
const START: Duration = Duration::from_secs(60);
/// Until the server has ended.
const STOP: Duration = Duration::from_secs(60);
/// The superuser, and the name of the database in which nothing is yet.
const USER: &str = "fleet";
const DATABASE: &str = "postgres";
/// Not a secret: the cluster lives as long as one test and listens on the loopback alone.
const PASSWORD: &str = "p@ss:word/";
/// The server refuses to run as root. This user owns nothing else: `nobody` and its group.
const NOBODY: u32 = 65534;

/// A running server with an empty database. It is stopped when this value is dropped.
#[derive(Debug)]
pub struct Postgres {
    /// `None` while it is stopped.
    process: Option<Process>,
    address: SocketAddr,
    settings: Vec<String>,
    folder: TempDir,
}

/// A certificate with its key, for a server that takes TLS.
#[derive(Debug)]
pub struct Tls<'a> {
    /// The chain, PEM.
    pub certificate: &'a str,
    /// The key, PEM.
    pub key: &'a str,
}

impl Postgres {
    /// Makes a cluster and starts its server, and waits until it takes connections.
    ///
    /// # Errors
    /// If a program is missing, ends, or does not start in time; the fault holds the end of its log.
    pub fn start() -> Result<Self, Fault> {
        Self::start_with(None)
    }

    /// As [`start`](Self::start), and it takes connections by TLS too.
    ///
    /// # Errors
    /// As for `start`.
    pub fn start_with_tls(tls: &Tls<'_>) -> Result<Self, Fault> {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<&Tls<'_>>) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for PostgreSQL"))?;
        give_away(folder.path())?;
        let mut settings = Vec::new();
        if let Some(tls) = tls {
            for (name, file, content) in
                [("ssl_cert_file", "server.pem", tls.certificate), ("ssl_key_file", "server.key", tls.key)]
            {
                let path = folder.path().join(file);
                write_private(&path, content)?;
                settings.push(format!("{name}={}", path.display()));
            }
            settings.push("ssl=on".to_owned());
        }
        make_cluster(folder.path())?;
        let mut server = Self { process: None, address: free_address()?, settings, folder };
        server.process = Some(with_free_ports(|| {
            server.address = free_address()?;
            server.launch()
        })?);
        Ok(server)
    }

    /// Starts the server on the cluster and the port that it had.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<(), Fault> {
        self.process = Some(with_port_as_before(|| self.launch())?);
        Ok(())
    }

    fn launch(&self) -> Result<Process, Fault> {
        let data = self.folder.path().join("data");
        let process = start_unprivileged("postgres", self.folder.path(), |command| {
            command
                .arg("-D")
                .arg(&data)
                .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
                .arg("-k")
                .arg(self.folder.path());
            for setting in &self.settings {
                command.args(["-c", setting]);
            }
            command
        })?;
        process.wait_for_stderr("the line that it is ready", Deadline::after(START), |line| {
            line.ends_with("database system is ready to accept connections").then_some(())
        })?;
        Ok(process)
    }

    /// Ends the server at once, as a crash does: what is under way is lost, and it goes through its log at the next start.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn crash(&mut self) -> Result<(), Fault> {
        self.stop("QUIT")
    }

    fn stop(&mut self, signal: &str) -> Result<(), Fault> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.signal(signal)?;
        process.finish(Deadline::after(STOP)).map(|_| ())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL for its superuser, by TCP.
    pub fn url(&self) -> String {
        self.url_at(&self.address.to_string())
    }

    /// A URL for its superuser, by its socket.
    pub fn socket_url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        self.url_at(&format!("{folder}:{}", self.address.port()))
    }

    /// A URL for its superuser, by way of another host and port.
    pub fn url_at(&self, place: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace(':', "%3A").replace('/', "%2F");
        format!("postgres://{USER}:{password}@{place}/{DATABASE}")
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// Runs a statement with `psql`, and returns the lines of its answer with columns parted by `|`.
    ///
    /// # Errors
    /// If the server does not take it; the fault holds its reason.
    pub fn psql(&self, statement: &str) -> Result<Vec<String>, Fault> {
        let finished = self.psql_in_background(statement)?.finish(Deadline::after(STOP))?.success("psql")?;
        Ok(finished.stdout)
    }

    /// Runs a statement with `psql` until the returned value is dropped.
    ///
    /// # Errors
    /// If `psql` is missing.
    pub fn psql_in_background(&self, statement: &str) -> Result<Process, Fault> {
        Process::start("psql", setting::peer_program("psql")?, |command| {
            command
                .env("PGPASSWORD", PASSWORD)
                .env("PGCONNECT_TIMEOUT", "10")
                .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
                .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
                .args(["-U", USER, "-d", DATABASE, "-c", statement])
        })
    }

    /// Every line of its log since its last start, within bounds.
    pub fn log(&self) -> Vec<String> {
        self.process.as_ref().map(Process::stderr).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A killed server would leave its segment of shared memory behind: it is asked to end first. If it does not, it is
        // killed all the same.
        let _ = self.stop("QUIT");
    }
}

fn make_cluster(folder: &Path) -> Result<(), Fault> {
    let password = folder.join("password");
    write_private(&password, PASSWORD)?;
    start_unprivileged("initdb", folder, |command| {
        command
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-U", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pwfile")
            .arg(&password)
    })?
    .finish(Deadline::after(MAKE))?
    .success("initdb")
    .map(|_| ())
}

/// Starts a program of PostgreSQL's as `nobody` if this is root, and as the caller otherwise.
fn start_unprivileged(
    name: &str,
    folder: &Path,
    prepare: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Process, Fault> {
    // The link may stand in a folder that only its owner may enter; the program itself does not.
    let program = fs::canonicalize(setting::peer_program(name)?).map_err(Fault::while_doing(name))?;
    let start = |program: &Path, arguments: &[&OsStr]| {
        Process::start(name, program, |command| {
            prepare(
                command.args(arguments).current_dir(folder).env("PATH", "/usr/bin:/bin").env("LC_ALL", "C"),
            )
        })
    };
    if is_root()? {
        let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()];
        let mut arguments: Vec<&OsStr> = user.iter().map(OsStr::new).collect();
        arguments.push(program.as_os_str());
        // It replaces itself by the program, so that the process is the server.
        start(Path::new("/usr/bin/setpriv"), &arguments)
    } else {
        start(&program, &[])
    }
}

fn is_root() -> Result<bool, Fault> {
    Ok(fs::metadata("/proc/self").map_err(Fault::while_doing("/proc/self"))?.uid() == 0)
}

fn give_away(path: &Path) -> Result<(), Fault> {
    if is_root()? {
        chown(path, Some(NOBODY), Some(NOBODY)).map_err(Fault::while_doing(path.display()))?;
    }
    Ok(())
}

/// The server takes no key that others may read.
fn write_private(path: &Path, content: &str) -> Result<(), Fault> {
    fs::write(path, content).map_err(Fault::while_doing(path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Fault::while_doing(path.display()))?;
    give_away(path)
}
