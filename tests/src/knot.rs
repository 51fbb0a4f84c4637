//! Knot DNS, the name server.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::name_server::{KEY_NAME, NameServer, Place, Software};
use crate::{Deadline, Fault, Process, setting, with_free_ports};

/// Until knotd says that it runs.
const START: Duration = Duration::from_secs(20);

/// A running knotd with one zone, which keeps changes in its journal and does not rewrite the zone file.
#[derive(Debug)]
pub struct Knot(NameServer);

impl Knot {
    /// Starts knotd with an empty primary zone of this name, and waits until it runs.
    ///
    /// # Errors
    /// If a program is missing, ends, or does not start in time; the fault holds the end of its log.
    pub fn start(zone: &str) -> Result<Self, Fault> {
        with_free_ports(|| NameServer::start(Knotd, zone)).map(Self)
    }
}

impl Deref for Knot {
    type Target = NameServer;

    fn deref(&self) -> &NameServer {
        &self.0
    }
}

impl DerefMut for Knot {
    fn deref_mut(&mut self) -> &mut NameServer {
        &mut self.0
    }
}

#[derive(Debug)]
struct Knotd;

impl Software for Knotd {
    fn prepare(&self, place: &Place) -> Result<(), Fault> {
        place.write_zone()?;
        place.write("knot.conf", knot_conf(place)).map(|_| ())
    }

    fn launch(&self, place: &Place) -> Result<Process, Fault> {
        let process = Process::start("knotd", setting::peer_program("knotd")?, |command| {
            command.arg("-c").arg(place.path("knot.conf"))
        })?;
        process.wait_for_stderr("the line that it runs", Deadline::after(START), |line| {
            line.contains("server started in the foreground").then_some(())
        })?;
        Ok(process)
    }
}

fn knot_conf(place: &Place) -> String {
    let (folder, ip, port) = (place.folder().display(), place.address.ip(), place.address.port());
    let (zone, secret) = (&place.zone, &place.key_secret);
    format!(
        r#"server:
    rundir: "{folder}"
    listen: {ip}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
log:
  - target: stderr
    any: info
key:
  - id: {KEY_NAME}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: signed
    key: {KEY_NAME}
    action: [update, transfer]
zone:
  - domain: {zone}
    storage: "{folder}"
    file: zone.db
    zonefile-sync: -1
    acl: signed
"#
    )
}
