//! All devices together: their journeys at once, what is left of them, and the summary.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::failure::{Failure, Step};
use crate::flags::Flags;
use crate::journey::{Arrived, Wishes, leftovers, travel};
use crate::story::{Story, Summary, say};
use crate::world::World;

/// Runs what the flags ask for.
pub async fn run(flags: &Flags) -> Result<(), Failure> {
    flags.require_sense().map_err(Failure::at(Step::Start))?;
    let wishes = wishes(flags)?;
    let folder = tempfile::tempdir().map_err(Failure::at(Step::Start))?;
    let story = if flags.devices == 1 { Story::in_lines() } else { Story::as_bar(flags.devices) };
    let world = Arc::new(World::start(flags, folder.path()).await?);
    let started = Instant::now();
    let (arrived, mut failures) = journeys(flags, &world, wishes, folder.path(), &story).await;
    let seconds = started.elapsed().as_secs_f64();
    story.end();

    let left = left_in_zone(&world).await;
    let summary = summary(flags, &world, &arrived, failures.len(), left.as_ref().ok().copied(), seconds);
    // What went wrong first says more than that the zone cannot be asked in the end.
    failures.extend(left.err());
    if let Some(out) = &flags.out {
        for device in &arrived {
            let folder = if flags.devices == 1 { out.clone() } else { out.join(device.name.as_str()) };
            leave_files(device, &folder)
                .map_err(|error| Failure::new(Step::Installed, format!("{}: {error}", folder.display())))?;
        }
    }
    if flags.devices > 1 || !flags.json {
        summary.tell();
    }
    if flags.stay && failures.is_empty() {
        stay(&world, &arrived, flags).await;
    }
    if flags.json {
        summary.tell_json();
    }
    drop(arrived);
    if let Ok(world) = Arc::try_unwrap(world) {
        world.end().await;
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn wishes(flags: &Flags) -> Result<Wishes, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Failure::new(Step::Start, format!("{}: {error}", path.display())))
    };
    let csr = flags.csr.as_deref().map(read).transpose()?;
    let key = flags.key.as_deref().map(read).transpose()?;
    let key = key.map(String::from_utf8).transpose().map_err(Failure::at(Step::Start))?;
    Ok(Wishes { label: flags.label.clone(), wildcard: flags.wildcard, csr: csr.map(|csr| (csr, key)) })
}

async fn journeys(
    flags: &Flags,
    world: &Arc<World>,
    wishes: Wishes,
    folder: &Path,
    story: &Story,
) -> (Vec<Arrived>, Vec<Failure>) {
    let mut travelling = JoinSet::new();
    for index in 0..flags.devices {
        let (world, wishes, story) = (Arc::clone(world), wishes.clone(), story.begin());
        let folder = folder.to_owned();
        travelling.spawn(async move { travel(&world, index, wishes, &folder, story).await });
    }
    let (mut arrived, mut failures) = (Vec::new(), Vec::new());
    while let Some(ended) = travelling.join_next().await {
        match ended {
            Ok(Ok(device)) => arrived.push(device),
            Ok(Err(failure)) => failures.push(failure),
            Err(panic) => failures.push(Failure::new(Step::Start, panic)),
        }
    }
    (arrived, failures)
}

/// How many challenge records the zone's server still has, of all names.
async fn left_in_zone(world: &World) -> Result<u64, Failure> {
    let mut left = 0;
    for name in world.listener.names() {
        left += leftovers(world, &name).await?;
    }
    Ok(left)
}

fn summary(
    flags: &Flags,
    world: &World,
    arrived: &[Arrived],
    failed: usize,
    leftover_challenge_records: Option<u64>,
    seconds: f64,
) -> Summary {
    let issued = world.listener.issued();
    let acme_requests = world.ca.account.client().traffic().orders;
    Summary {
        devices: flags.devices,
        issued,
        renewed: arrived.iter().filter(|device| device.renewed).count() as u64,
        failed: failed as u64,
        seconds,
        acme_requests,
        acme_requests_per_certificate: acme_requests as f64 / issued.max(1) as f64,
        certificates_per_second: issued as f64 / seconds,
        failed_page_requests: arrived.iter().map(|device| device.failed_page_requests).sum(),
        leftover_challenge_records,
    }
}

fn leave_files(device: &Arrived, out: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(out)?;
    for file in ["privkey.pem", "fullchain.pem"] {
        let from = device.installed.join(file);
        // Without its key the device has no privkey.pem. The copy keeps the mode.
        if from.exists() {
            std::fs::copy(from, out.join(file))?;
        }
    }
    std::fs::write(out.join("root.pem"), &device.root_pem)
}

/// Serves the pages until interrupted, and says how to look at them.
async fn stay(world: &World, arrived: &[Arrived], flags: &Flags) {
    let Some((device, page)) = arrived.iter().find_map(|device| Some((device, device.page.as_ref()?))) else {
        return say(format_args!("no page is served, since the key is not here"));
    };
    let name = &device.name;
    let (server, port) = (world.zone.server, page.address.port());
    let out = flags.out.clone().unwrap_or_else(|| device.installed.clone());
    let root = if flags.out.is_some() { out.join("root.pem") } else { out.with_file_name("root.pem") };
    if flags.out.is_none() && std::fs::write(&root, &device.root_pem).is_err() {
        return say(format_args!("the root cannot be written to {}", root.display()));
    }
    let root = root.display();
    say(format_args!("\nstill serving; look at it, and end it with Ctrl-C:\n"));
    say(format_args!("dig @{} -p {} {name} A", server.ip(), server.port()));
    say(format_args!("dig @{} -p {} +tcp _acme-challenge.{name} TXT", server.ip(), server.port()));
    say(format_args!("curl --cacert {root} --resolve {name}:{port}:127.0.0.1 https://{name}:{port}/"));
    say(format_args!(
        "openssl s_client -connect 127.0.0.1:{port} -servername {name} -verify_hostname {name} -verify_return_error \
         -CAfile {root} </dev/null"
    ));
    if let Err(error) = tokio::signal::ctrl_c().await {
        say(format_args!("cannot wait to be interrupted: {error}"));
    }
}
