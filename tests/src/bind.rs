//! BIND, the name server.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::name_server::{KEY_NAME, NameServer, Place, Software};
use crate::{Deadline, Fault, Process, setting, with_free_ports};

/// Until named says that it runs.
const START: Duration = Duration::from_secs(20);

/// A running named with one zone.
#[derive(Debug)]
pub struct Bind(NameServer);

impl Bind {
    /// Starts named with an empty primary zone of this name, and waits until it runs.
    ///
    /// # Errors
    /// If a program is missing, ends, or does not start in time; the fault holds the end of its log.
    pub fn start(zone: &str) -> Result<Self, Fault> {
        with_free_ports(|| NameServer::start(Named, zone)).map(Self)
    }
}

impl Deref for Bind {
    type Target = NameServer;

    fn deref(&self) -> &NameServer {
        &self.0
    }
}

impl DerefMut for Bind {
    fn deref_mut(&mut self) -> &mut NameServer {
        &mut self.0
    }
}

#[derive(Debug)]
struct Named;

impl Software for Named {
    fn prepare(&self, place: &Place) -> Result<(), Fault> {
        place.write_zone()?;
        place.write("named.conf", named_conf(place)).map(|_| ())
    }

    fn launch(&self, place: &Place) -> Result<Process, Fault> {
        let process = Process::start("named", setting::peer_program("named")?, |command| {
            command.arg("-g").args(["-n", "1"]).arg("-c").arg(place.path("named.conf"))
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
        if started { Ok(process) } else { Err(process.fault("did not get its port")) }
    }
}

fn named_conf(place: &Place) -> String {
    let (folder, ip, port) = (place.folder().display(), place.address.ip(), place.address.port());
    let zone = &place.zone;
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
