//! Check of the target of a challenge.

use super::{Check, Diagnose, Finding, Seen, Status};
use crate::LookupErrorKind;

impl Diagnose {
    /// Follows the host's challenge name as a CA does, and checks that it ends in the zone.
    pub(super) async fn target(&self) -> Option<Finding> {
        let name = self.host.as_ref()?.challenge_name();
        let Some(finder) = self.finder() else {
            let why = "aliases are followed through a resolver, and servers were given";
            return Some(Finding::not_run(Check::Target, why));
        };
        let finding = match finder.challenge_target(&name).await {
            Ok(target) if target.zone == self.zone => {
                Finding::new(Check::Target, Status::Ok, format!("the TXT record goes to {target}"))
            }
            Ok(target) => {
                let summary =
                    format!("the TXT record goes to the zone {}, not to {}", target.zone, self.zone);
                let remedy = format!(
                    "write challenges of this host to {} in {}, and diagnose that zone; or take the alias or the delegation \
                     away",
                    target.name, target.zone
                );
                let path = vec![Seen::new(name.as_str(), Status::Warning, target.to_string())];
                Finding::new(Check::Target, Status::Warning, summary).with_seen(path).remedy(remedy)
            }
            Err(error) => {
                let remedy = match error.kind() {
                    LookupErrorKind::AliasLoop => "take one of these CNAME records away",
                    LookupErrorKind::TooManyAliases => {
                        "let the first CNAME point to where the last one leads"
                    }
                    LookupErrorKind::ForeignAlias => {
                        "let the CNAME point to a name of letters, digits, hyphens and underscores"
                    }
                    _ => "see that the servers of these names answer, or name another resolver",
                };
                let summary = format!("the challenge cannot be followed: {error}");
                Finding::new(Check::Target, Status::Problem, summary).remedy(remedy)
            }
        };
        Some(finding)
    }
}
