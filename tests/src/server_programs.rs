//! nginx, HAProxy, Dovecot and Postfix, each serving TLS on a loopback port from the files that it wants.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use fleetcert_x509::ServerFiles;
use tempfile::TempDir;

use crate::listeners::listens;
use crate::{Deadline, Fault, Process, free_address, setting, with_free_ports};

/// Until it listens.
const START: Duration = Duration::from_secs(20);
/// Until it has ended.
const STOP: Duration = Duration::from_secs(10);
/// Between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(20);

/// A running server with its files in a folder of its own. It is stopped when this value is dropped.
#[derive(Debug)]
pub struct ServerProgram {
    /// `None` once it was told to end.
    process: Option<Process>,
    address: SocketAddr,
    _folder: TempDir,
}

impl ServerProgram {
    /// nginx serves a page.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not listen in time; the fault holds the end of its log.
    pub fn nginx(files: &ServerFiles) -> Result<Self, Fault> {
        Self::start("nginx", files, |place| {
            let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let paths = paths.map(|path| format!("{path}_temp_path {}/{path};\n", place.folder.display()));
            let configuration = format!(
                "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr notice;\nevents {{ }}\n\
                 http {{\naccess_log off;\n{paths}server {{\nlisten {address} ssl;\n{files}return 200 \"page\\n\";\n}}\n}}\n",
                folder = place.folder.display(),
                paths = paths.concat(),
                address = place.address,
                files = place.directives(|directive, path| format!("{directive} {path};\n")),
            );
            let file = place.write("nginx.conf", &configuration)?;
            Ok(["-e", "stderr", "-p", place.folder_text()?, "-c", &file].map(str::to_owned).to_vec())
        })
    }

    /// HAProxy serves a page.
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn haproxy(files: &ServerFiles) -> Result<Self, Fault> {
        Self::start("haproxy", files, |place| {
            let configuration = format!(
                "global\n log stderr format raw local0\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n \
                 timeout connect 5s\nfrontend page\n bind {} ssl {}\n http-request return status 200 content-type \
                 text/plain string page\n",
                place.address,
                place.directives(|directive, path| format!("{directive} {path} ")),
            );
            let file = place.write("haproxy.cfg", &configuration)?;
            Ok(["-db", "-f", &file].map(str::to_owned).to_vec())
        })
    }

    /// Dovecot 2.3 serves IMAP with STARTTLS, without which it lets nobody in. It has to be started by root.
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn dovecot(files: &ServerFiles) -> Result<Self, Fault> {
        Self::start("dovecot", files, |place| {
            let folder = place.folder.display();
            let configuration = format!(
                "base_dir = {folder}/base\nstate_dir = {folder}/state\nlog_path = /dev/stderr\nprotocols = imap\n\
                 listen = {ip}\nssl = required\n{files}\
                 service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n inet_listener imaps {{\n  port = 0\n \
                 }}\n}}\npassdb {{\n driver = static\n args = nopassword=y\n}}\nuserdb {{\n driver = static\n args = \
                 uid=nobody gid=nogroup home=/nonexistent\n}}\n",
                ip = place.address.ip(),
                port = place.address.port(),
                // By its names of before 2.4.
                files = place.directives(|directive, path| {
                    let directive = directive.replace("ssl_server_", "ssl_").replace("_file", "");
                    format!("{directive} = <{path}\n")
                }),
            );
            let file = place.write("dovecot.conf", &configuration)?;
            Ok(["-F", "-c", &file].map(str::to_owned).to_vec())
        })
    }

    /// Postfix takes mail for nobody, with STARTTLS. It has to be started by root.
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn postfix(files: &ServerFiles) -> Result<Self, Fault> {
        Self::start("postfix", files, |place| {
            let folder = place.folder.display();
            let settings = format!(
                "compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n\
                 inet_interfaces = {ip}\ninet_protocols = ipv4\nmyhostname = mail.fleet.test\nmydestination =\n\
                 alias_maps =\nsmtpd_relay_restrictions = reject\nsmtpd_peername_lookup = no\nmaillog_file = /dev/stdout\n\
                 smtpd_tls_security_level = may\n{files}",
                ip = place.address.ip(),
                files = place.directives(|directive, path| format!("{directive} = {path}\n")),
            );
            let services = format!(
                "{} inet n - n - 1 smtpd\ntlsmgr unix - - n - 1 tlsmgr\nanvil unix - - n - 1 anvil\nrewrite unix - - n \
                 - - trivial-rewrite\nproxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n",
                place.address
            );
            place.write("main.cf", &settings)?;
            place.write("master.cf", &services)?;
            place.make_queue()?;
            Ok(["-c", place.folder_text()?, "-d"].map(str::to_owned).to_vec())
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(
        program: &str,
        files: &ServerFiles,
        configure: impl Fn(&Place<'_>) -> Result<Vec<String>, Fault>,
    ) -> Result<Self, Fault> {
        with_free_ports(|| Self::start_at(free_address()?, program, files, &configure))
    }

    fn start_at(
        address: SocketAddr,
        program: &str,
        files: &ServerFiles,
        configure: impl Fn(&Place<'_>) -> Result<Vec<String>, Fault>,
    ) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing(format!("a folder for {program}")))?;
        // Servers give up root for users of their own, who have to get in.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
            .map_err(Fault::while_doing(program))?;
        let place = Place { folder: folder.path(), address, files };
        for file in files.files() {
            place.write(file.directive(), file.text())?;
        }
        let arguments = configure(&place)?;
        let process = Process::start(program, setting::peer_program(program)?, |command| {
            // In a group of its own, which Postfix ends as a whole.
            command.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").process_group(0)
        })?;
        let server = Self { process: Some(process), address, _folder: folder };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&self) -> Result<(), Fault> {
        let deadline = Deadline::after(START);
        let process = self.process.as_ref().expect("it is stopped only when it is dropped");
        while !listens(process.id(), self.address) {
            if !process.is_running() {
                // Postfix does not get to say why.
                let port = TcpListener::bind(self.address).err().map(|why| format!(" at its port: {why}"));
                let what = format!("ended before it listened{}", port.unwrap_or_default());
                return Err(process.fault(&what));
            }
            if deadline.has_passed() {
                return Err(process.fault("does not listen"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for ServerProgram {
    fn drop(&mut self) {
        // SIGTERM ends it with its own processes. If it does not, it is killed.
        if let Some(process) = self.process.take()
            && process.signal("TERM").is_ok()
        {
            let _ = process.finish(Deadline::after(STOP));
        }
    }
}

/// What a configuration is written of.
struct Place<'a> {
    folder: &'a Path,
    address: SocketAddr,
    files: &'a ServerFiles,
}

impl Place<'_> {
    fn directives(&self, line: impl Fn(&str, &str) -> String) -> String {
        let files = self.files.files().iter();
        let path = |directive: &str| self.folder.join(directive).display().to_string();
        files.map(|file| line(file.directive(), &path(file.directive()))).collect()
    }

    fn folder_text(&self) -> Result<&str, Fault> {
        self.folder.to_str().ok_or_else(|| Fault::new("the temporary folder is not UTF-8"))
    }

    /// Writes a file that its owner alone can read, and gives its path.
    fn write(&self, name: &str, text: &str) -> Result<String, Fault> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Fault::while_doing(name.to_owned()))?;
        Ok(path.display().to_string())
    }

    /// The folders of Postfix, with the owners that it insists on.
    fn make_queue(&self) -> Result<(), Fault> {
        let script = "mkdir data queue && cd queue && mkdir active deferred incoming maildrop pid private public \
                      && chown postfix ../data active deferred incoming private \
                      && chown postfix:postdrop public maildrop && chmod 700 private && chmod 710 public";
        let made = Command::new("/bin/sh").args(["-ec", script]).current_dir(self.folder).output();
        let made = made.map_err(Fault::while_doing("the queue of Postfix"))?;
        if made.status.success() {
            return Ok(());
        }
        Err(Fault::new(format!("the queue of Postfix: {}", String::from_utf8_lossy(&made.stderr))))
    }
}
