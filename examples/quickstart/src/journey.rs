//! One device's journey, step by step.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_agent::{
    Agent, AgentError, AgentOptions, AllInstallers, CertificatePair, EnrolRequest, FileInstaller, Installer,
    ReloadInstaller,
};
use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::{QueryType, Transport, lookup};
use fleetcert_https::{Certificates, ClientBuilder};
use fleetcert_names::{HostName, Identifier, Label};
use fleetcert_protocol::CertificateStatus;
use fleetcert_x509::KeyPair;
use tokio::sync::mpsc;

use crate::failure::{Failure, Step};
use crate::listener::Told;
use crate::page::{Page, Visitor, Watch};
use crate::story::Story;
use crate::time::rfc3339;
use crate::world::World;

/// What the flags say about a device.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub label: Option<Label>,
    /// One certificate for the name and the wildcard below it.
    pub wildcard: bool,
    /// A request that was made elsewhere, with its key or without.
    pub csr: Option<(Vec<u8>, Option<String>)>,
}

/// A device at the end of its journey; its page is served as long as this lives.
#[derive(Debug)]
pub struct Arrived {
    pub name: HostName,
    /// Where its pair is: `current/privkey.pem` and `current/fullchain.pem`.
    pub installed: PathBuf,
    pub root_pem: Vec<u8>,
    pub page: Option<Page>,
    pub renewed: bool,
    pub failed_page_requests: u64,
}

/// The longest wait for a certificate: a queue, the zone, the CA.
const CERTIFICATE_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest wait for a record in the zone.
const ZONE_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest wait for the CA's renewal window: two requests to it that run into their time, one behind the other.
const WINDOW_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes device number `index` from nothing to a renewed certificate.
pub async fn travel(
    world: &World,
    index: u32,
    wishes: Wishes,
    folder: &Path,
    mut story: Story,
) -> Result<Arrived, Failure> {
    let mut device = Device::unpack(world, index, folder, wishes.wildcard).await?;
    device.join(wishes.label.clone(), &mut story).await?;
    device.report(address(index, 1), Step::AddressReported, &mut story).await?;
    device.answered(address(index, 1), Step::AddressAnswered, &mut story).await?;
    device.request(&wishes, &mut story).await?;
    device.obtain(&mut story).await?;
    let Some(visitor) = device.show(&mut story).await? else {
        story.tell_not_shown(Step::PageFetched, "the key is not here, so the journey ends with the chain");
        return device.arrive(false, 0);
    };
    device.report(address(index, 2), Step::AddressChanged, &mut story).await?;
    device.answered(address(index, 2), Step::AddressChanged, &mut story).await?;
    let watch = visitor.keep_fetching(world.page_pause);
    let renewed = device.renew(&wishes, &mut story).await?;
    if renewed {
        device.shows_new(&visitor, &watch, &mut story).await?;
    }
    let (_, failed) = watch.counts();
    drop(watch);
    device.zone_is_clean(&mut story).await?;
    device.arrive(renewed, failed)
}

/// Private addresses, two for each device.
fn address(index: u32, place: u8) -> IpAddr {
    let [_, _, high, low] = (index + 1).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, place, high, low))
}

/// A device on its way.
struct Device<'a> {
    world: &'a World,
    agent: Agent,
    installed: PathBuf,
    certificates: Certificates,
    page: Option<Page>,
    root_pem: Vec<u8>,
    told: Option<mpsc::Receiver<Told>>,
    /// The CA's window as it was last told. Nothing orders the news of a certificate and the news of its window,
    /// and a window that stays the same is reported once.
    window: Option<(SystemTime, SystemTime)>,
}

impl<'a> Device<'a> {
    async fn unpack(world: &'a World, index: u32, folder: &Path, wildcard: bool) -> Result<Self, Failure> {
        let home = folder.join(format!("device-{index}"));
        let http = ClientBuilder::new("quickstart-device")
            .only_roots_pem(world.control.root_pem.as_bytes())
            .and_then(ClientBuilder::build)
            .map_err(Failure::at(Step::Start))?;
        let options = AgentOptions {
            roots: world.ca.roots.clone(),
            wildcard,
            ..AgentOptions::new(world.control.base.as_str(), http)
        };
        let agent = Agent::open(
            &home.join("state"),
            options,
            Ambient { clock: world.clock.clone(), entropy: world.entropy.clone() },
        )
        .map_err(Failure::at(Step::Start))?;
        Ok(Self {
            world,
            agent,
            installed: home.join("tls"),
            certificates: Certificates::empty(),
            page: None,
            root_pem: Vec::new(),
            told: None,
            window: None,
        })
    }

    fn name(&self) -> &HostName {
        &self.agent.enrolled().expect("a device reports and requests after it has enrolled").name
    }

    async fn join(&mut self, label: Option<Label>, story: &mut Story) -> Result<(), Failure> {
        let failed = Failure::at(Step::Enrolled);
        let token = self.world.engine.issue_token(Duration::from_secs(600)).await.map_err(&failed)?;
        let mut request = EnrolRequest::new(token);
        request.label = label;
        let enrolled = self.agent.enrol(request).await.map_err(agent_error(Step::Enrolled))?;
        story.tell(Step::Enrolled, format_args!("device {}", enrolled.device));
        story.tell(Step::Labelled, &enrolled.name);
        self.told = Some(self.world.listener.about(&enrolled.name));
        Ok(())
    }

    async fn report(&mut self, address: IpAddr, step: Step, story: &mut Story) -> Result<(), Failure> {
        self.agent.report_addresses(&[address]).await.map_err(agent_error(step))?;
        if step == Step::AddressReported {
            story.tell(step, address);
        }
        Ok(())
    }

    /// Waits until the zone's server answers with the address, to an ordinary query, both ways.
    async fn answered(&self, address: IpAddr, step: Step, story: &mut Story) -> Result<(), Failure> {
        let server = self.world.zone.server;
        let name = self.name().as_domain();
        let seen = async {
            for transport in [Transport::Udp, Transport::Tcp] {
                loop {
                    let answer = lookup(server, name, QueryType::A, transport).await;
                    if answer.is_ok_and(|answer| answer.addresses(name) == [address]) {
                        break;
                    }
                    if let Some(fault) = self.world.listener.zone_fault().filter(|fault| !fault.passes) {
                        return Err(Failure::new(step, fault.why));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Ok(())
        };
        let late = |_| match self.world.listener.zone_fault() {
            Some(fault) => Failure::new(step, fault.why),
            None => Failure::new(step, format!("{server} does not answer {name} with {address}")),
        };
        tokio::time::timeout(ZONE_TIMEOUT, seen).await.map_err(late)??;
        story.tell(step, format_args!("{name} is at {address}, says {server}"));
        Ok(())
    }

    async fn request(&mut self, wishes: &Wishes, story: &mut Story) -> Result<(), Failure> {
        self.make_request(wishes)?;
        let key = match wishes.csr {
            Some(_) => "made elsewhere",
            None if wishes.wildcard => "P-256; the key stays here; for the name and the wildcard below it",
            None => "P-256; the key stays here",
        };
        story.tell(Step::KeyMade, key);
        let status = self.agent.submit().await.map_err(agent_error(Step::RequestAccepted))?;
        let place = match status {
            CertificateStatus::Queued { position, .. } => format!("{position} before it"),
            _ => String::new(),
        };
        story.tell(Step::RequestAccepted, place);
        Ok(())
    }

    fn make_request(&mut self, wishes: &Wishes) -> Result<(), Failure> {
        let failed = agent_error(Step::KeyMade);
        match &wishes.csr {
            None => self.agent.make_request().map_err(failed)?,
            Some((csr, key)) => {
                let key = key.as_deref().map(KeyPair::from_pem).transpose();
                let key = key.map_err(Failure::at(Step::KeyMade))?;
                self.agent.use_request(csr, key).map_err(failed)?
            }
        };
        Ok(())
    }

    /// The order as the control server tells of it, then the chain as the agent gets it.
    async fn obtain(&mut self, story: &mut Story) -> Result<(), Failure> {
        let told = self.told.as_mut().expect("a device listens since it enrolled");
        let window = &mut self.window;
        // The step that is due: if the order fails, it is the one that failed.
        let mut due = Step::Ordered;
        let order = async {
            while let Some(news) = told.recv().await {
                let (done, detail, next) = match news {
                    Told::Placed(url) => (Step::Ordered, url, Step::ChallengeSeen),
                    Told::Seen(servers) => (Step::ChallengeSeen, servers, Step::ChallengeAnswered),
                    // A wildcard has a challenge of its own.
                    Told::Answered if due == Step::Validated => continue,
                    Told::Answered => (Step::ChallengeAnswered, String::new(), Step::Validated),
                    Told::Validated => (Step::Validated, String::new(), Step::Finalized),
                    Told::Finalized => (Step::Finalized, String::new(), Step::Installed),
                    Told::Issued { .. } => break,
                    Told::Failed(why) => return Err(why),
                    Told::Window { start, end } => {
                        *window = Some((start, end));
                        continue;
                    }
                };
                story.tell(done, detail);
                due = next;
            }
            Ok(())
        };
        let late = |_| "the CA did not come to an end with the order".to_owned();
        let ended = tokio::time::timeout(CERTIFICATE_TIMEOUT, order).await.map_err(late).flatten();
        ended.map_err(|why| Failure::new(due, why))?;
        let pair = self.fetch_chain(Step::Installed).await?;
        let (leaf, folder) = (pair.chain().leaf(), self.installed.display());
        let names: Vec<&str> = leaf.identifiers().iter().map(Identifier::as_str).collect();
        let count = pair.chain().certificates().len();
        let detail = match names.as_slice() {
            [_] => format!("{count} certificates, to {folder}"),
            names => format!("{count} certificates for {}, to {folder}", names.join(" and ")),
        };
        self.install(pair).await?;
        story.tell(Step::Installed, detail);
        Ok(())
    }

    async fn fetch_chain(&mut self, step: Step) -> Result<CertificatePair, Failure> {
        let chain = self.agent.poll(CERTIFICATE_TIMEOUT, |_| ()).await.map_err(agent_error(step))?;
        self.agent.check(&chain).map_err(agent_error(step))
    }

    async fn install(&mut self, pair: CertificatePair) -> Result<(), Failure> {
        let mut installers: Vec<Arc<dyn Installer>> = vec![Arc::new(FileInstaller::new(&self.installed))];
        if pair.key_pem().is_some() {
            installers.push(Arc::new(ReloadInstaller::new(self.certificates.clone())));
        }
        self.agent
            .install(pair, &AllInstallers::new(installers))
            .await
            .map_err(agent_error(Step::Installed))?;
        Ok(())
    }

    /// Serves the page and fetches it; `None` without the key.
    async fn show(&mut self, story: &mut Story) -> Result<Option<Visitor>, Failure> {
        let failed = Failure::at(Step::PageFetched);
        let pair = self.agent.installed().expect("a pair was installed");
        let anchor = self.world.ca.anchor_of(pair.chain()).await.map_err(&failed)?;
        self.root_pem = anchor.pem;
        if pair.key_pem().is_none() {
            return Ok(None);
        }
        let name = self.name().clone();
        let page =
            Page::serve(&name, self.certificates.clone()).await.map_err(Failure::at(Step::PageFetched))?;
        let visitor = Visitor::new(&name, page.address, &self.root_pem).map_err(&failed)?;
        visitor.fetch().await.map_err(&failed)?;
        let note = if anchor.is_root {
            ""
        } else {
            "; the CA's root is not known, the top of its chain stands in for it"
        };
        story.tell(Step::PageFetched, format_args!("https://{name}:{}/{note}", page.address.port()));
        self.page = Some(page);
        Ok(Some(visitor))
    }

    /// Renews when the CA's window is open, or can be opened; says whether it did.
    async fn renew(&mut self, wishes: &Wishes, story: &mut Story) -> Result<bool, Failure> {
        let world = self.world;
        let old = self.agent.installed().expect("a pair was installed");
        let old_id = old.chain().leaf().certificate_id().map_err(Failure::at(Step::Renewed))?.to_string();
        let opened = world.ca.open_window(old.chain(), world.clock.now()).await;
        world.engine.look_at_renewal(self.name()).await.map_err(Failure::at(Step::Renewed))?;
        let (start, end) = self.window(opened).await?;
        if !(start..end).contains(&world.clock.now()) {
            let why = format_args!("the CA's window opens at {}", rfc3339(start)).to_string();
            story.tell_not_shown(Step::Renewed, why);
            return Ok(false);
        }
        self.make_request(wishes)?;
        self.agent.submit().await.map_err(agent_error(Step::Renewed))?;
        let replaces = self.issued(Step::Renewed).await?;
        let detail = match replaces {
            Some(replaced) if replaced == old_id => format!("replaces {old_id}"),
            // RFC 9773 section 5: the order goes on without what the CA does not take.
            None if !world.ca.is_ours() => "the CA did not take `replaces`".to_owned(),
            other => return Err(Failure::new(Step::Renewed, format!("it replaces {other:?}, not {old_id}"))),
        };
        let pair = self.fetch_chain(Step::Renewed).await?;
        self.install(pair).await?;
        story.tell(Step::Renewed, detail);
        Ok(true)
    }

    /// The CA's window as the control server knows it; an open one, if it was just opened.
    async fn window(&mut self, opened: bool) -> Result<(SystemTime, SystemTime), Failure> {
        let clock = &self.world.clock;
        let told = self.told.as_mut().expect("a device listens since it enrolled");
        let mut window = self.window;
        let window = async {
            loop {
                if let Some((start, end)) = window
                    && (!opened || (start..end).contains(&clock.now()))
                {
                    return Some((start, end));
                }
                if let Told::Window { start, end } = told.recv().await? {
                    window = Some((start, end));
                }
            }
        };
        let late = || Failure::new(Step::Renewed, "the CA does not tell its renewal window");
        tokio::time::timeout(WINDOW_TIMEOUT, window).await.ok().flatten().ok_or_else(late)
    }

    /// Waits until the control server has the certificate; says what it replaces.
    async fn issued(&mut self, step: Step) -> Result<Option<String>, Failure> {
        let told = self.told.as_mut().expect("a device listens since it enrolled");
        let issued = async {
            while let Some(news) = told.recv().await {
                match news {
                    Told::Issued { replaces } => return Ok(replaces),
                    Told::Failed(why) => return Err(Failure::new(step, why)),
                    _ => {}
                }
            }
            Err(Failure::new(step, "the control server has ended"))
        };
        let late = |_| Failure::new(step, "the CA did not come to an end with the order");
        tokio::time::timeout(CERTIFICATE_TIMEOUT, issued).await.map_err(late)?
    }

    async fn shows_new(&self, visitor: &Visitor, watch: &Watch, story: &mut Story) -> Result<(), Failure> {
        let failed = Failure::at(Step::PageRenewed);
        let served = visitor.fetch().await.map_err(&failed)?;
        let pair = self.agent.installed().expect("a pair was installed");
        if pair.chain().certificates().first().map(AsRef::as_ref) != Some(served.as_slice()) {
            return Err(Failure::new(Step::PageRenewed, "the page still shows the certificate of before"));
        }
        let (fetched, lost) = watch.counts();
        if lost > 0 {
            return Err(Failure::new(
                Step::PageRenewed,
                format!("{lost} requests failed, {fetched} did not"),
            ));
        }
        story.tell(Step::PageRenewed, format_args!("{fetched} requests meanwhile, none failed"));
        Ok(())
    }

    async fn zone_is_clean(&self, story: &mut Story) -> Result<(), Failure> {
        match leftovers(self.world, self.name()).await? {
            0 => story.tell(Step::ZoneClean, format_args!("says {}", self.world.zone.server)),
            left => return Err(Failure::new(Step::ZoneClean, format!("{left} values are left"))),
        }
        Ok(())
    }

    fn arrive(self, renewed: bool, failed_page_requests: u64) -> Result<Arrived, Failure> {
        Ok(Arrived {
            name: self.name().clone(),
            installed: self.installed.join("current"),
            root_pem: self.root_pem,
            page: self.page,
            renewed,
            failed_page_requests,
        })
    }
}

/// How many challenge values the zone's server still has for `name`.
pub async fn leftovers(world: &World, name: &HostName) -> Result<u64, Failure> {
    let challenge = name.challenge_name();
    let answer = lookup(world.zone.server, &challenge, QueryType::Txt, Transport::Tcp).await;
    Ok(answer.map_err(Failure::at(Step::ZoneClean))?.texts(&challenge).len() as u64)
}

/// For `map_err`: what the agent says, with what the control server said.
fn agent_error(step: Step) -> impl Fn(AgentError) -> Failure {
    move |error| match error.problem() {
        Some(problem) => Failure::new(step, problem),
        None => Failure::new(step, &error),
    }
}
