//! Where journeys with a real CA take place.

use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "bind")]
use crate::bind::Bind;
use crate::pebble::{Pebble, PebbleConfig};
use crate::quickstart::{Journey, Quickstart};
use crate::{Directory, Fault, free_address};
use tempfile::TempDir;

/// A Pebble, and a name server that it asks.
#[derive(Debug)]
pub struct Place {
    pebble: Pebble,
    zone: Zone,
    /// Whether the journey may set Pebble's renewal windows.
    sets_windows: bool,
    folder: TempDir,
}

#[derive(Debug)]
enum Zone {
    Ours(SocketAddr),
    #[cfg(feature = "bind")]
    Bind(Bind),
}

/// A hundred certificates take Pebble and us well under a minute; a Pebble that hangs is not waited for longer.
const LIMIT: Duration = Duration::from_secs(240);

impl Place {
    /// The zone is on the name server of the journey itself.
    ///
    /// # Errors
    /// If a peer does not start.
    pub fn with_our_name_server() -> Result<Self, Fault> {
        let address = free_address()?;
        Self::start(PebbleConfig::with_resolver(address), Zone::Ours(address))
    }

    /// The same, with renewal windows that nobody can set: they open in two months.
    ///
    /// # Errors
    /// If a peer does not start.
    pub fn with_our_name_server_and_closed_windows() -> Result<Self, Fault> {
        Ok(Self { sets_windows: false, ..Self::with_our_name_server()? })
    }

    /// The zone is on BIND.
    ///
    /// # Errors
    /// If a peer does not start.
    #[cfg(feature = "bind")]
    pub fn with_bind() -> Result<Self, Fault> {
        let bind = Bind::start("fleet.test")?;
        Self::start(PebbleConfig::with_resolver(bind.address()), Zone::Bind(bind))
    }

    /// The zone is on BIND, and Pebble refuses no nonces: lego does not always come through when it does.
    ///
    /// # Errors
    /// If a peer does not start.
    #[cfg(feature = "bind")]
    pub fn for_comparison() -> Result<Self, Fault> {
        let bind = Bind::start("fleet.test")?;
        let mut config = PebbleConfig::with_resolver(bind.address());
        config.nonce_reject = 0;
        Self::start(config, Zone::Bind(bind))
    }

    fn start(mut config: PebbleConfig, zone: Zone) -> Result<Self, Fault> {
        // Each renewal is proved by DNS again.
        config.authz_reuse = 0;
        let pebble = Pebble::start(&config)?;
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder for the roots"))?;
        Ok(Self { pebble, zone, sets_windows: true, folder })
    }

    /// The CA.
    pub fn pebble(&self) -> &Pebble {
        &self.pebble
    }

    /// The zone's BIND, if it is on one.
    #[cfg(feature = "bind")]
    pub fn bind(&self) -> Option<&Bind> {
        match &self.zone {
            Zone::Bind(bind) => Some(bind),
            Zone::Ours(_) => None,
        }
    }

    /// Both roots in one file: that of Pebble's listener, and that of what it issues.
    fn directory(&self) -> Result<Directory, Fault> {
        let read = |path| std::fs::read_to_string(path).map_err(Fault::while_doing("a root of Pebble"));
        let both = read(self.pebble.directory().ca_root())? + &read(self.pebble.issuing_root())?;
        let file = self.folder.path().join("roots.pem");
        std::fs::write(&file, both).map_err(Fault::while_doing("the roots of Pebble"))?;
        Ok(self.pebble.directory().clone().with_ca_root(file))
    }

    /// The program with the flags for this place.
    ///
    /// # Errors
    /// If the program was not built, or the roots cannot be read.
    pub fn quickstart(&self) -> Result<Quickstart, Fault> {
        let mut quickstart = Quickstart::built()?.directory(&self.directory()?);
        if self.sets_windows {
            quickstart = quickstart.arg("--management").arg(self.pebble.management_url());
        }
        Ok(match &self.zone {
            Zone::Ours(address) => quickstart.arg("--nameserver-addr").arg(address.to_string()),
            #[cfg(feature = "bind")]
            Zone::Bind(bind) => quickstart
                .arg("--rfc2136")
                .arg(bind.address().to_string())
                .arg("--tsig-key-file")
                .arg(bind.key_file())
                .arg("--zone")
                .arg(bind.zone()),
        })
    }

    /// The journey of this number of devices.
    ///
    /// # Errors
    /// If it fails, or does not end in time; the fault says whether Pebble still answers.
    pub fn journey(&self, devices: u32) -> Result<Journey, Fault> {
        self.quickstart()?.arg("--devices").arg(devices.to_string()).run(LIMIT)
    }

    /// The journey of one device with the wildcard below its name.
    ///
    /// # Errors
    /// As [`journey`](Self::journey).
    pub fn wildcard_journey(&self) -> Result<Journey, Fault> {
        self.quickstart()?.arg("--wildcard").run(LIMIT)
    }
}

/// Asserts that every device got its certificate and its renewal, and that nothing is left.
pub fn require_whole(journey: &Journey, devices: u64) {
    let summary = &journey.summary;
    assert_eq!(summary.devices, devices);
    assert_eq!((summary.issued, summary.failed), (2 * devices, 0), "{summary:?}");
    assert_eq!(summary.leftover_challenge_records, 0);
    let requests = summary.acme_requests_per_certificate.unwrap_or_default();
    assert!((6.0..20.0).contains(&requests), "{requests} requests for a certificate");
}
