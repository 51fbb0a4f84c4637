//! Check of a round trip: a value is added, appears, is removed, and disappears.

use fleetcert_dns::Verdict;
use fleetcert_names::DomainName;

use super::left;
use crate::Families;
use crate::diagnose::diagnosis::worst;
use crate::diagnose::watch::{Until, watch};
use crate::diagnose::{Changer, Check, Diagnose, Finding, Seen, Status};

impl Diagnose {
    pub(super) async fn round_trip(
        &self,
        changer: &Changer,
        name: &DomainName,
        families: Families,
    ) -> Finding {
        let record = self.record(name, self.random_value());
        let visibility = self.visibility(families);
        let published = match changer.challenges.publish(vec![record.clone()]).await {
            Ok(published) => published,
            Err(error) => return self.not_added(changer, Check::RoundTrip, &error).await,
        };
        let within = self.options.visible_within;
        let seen = watch(&visibility, &record, Until::Seen, within, &*self.ambient.clock).await;
        if let Err(error) = published.withdraw().await {
            return left(Check::RoundTrip, &error);
        }
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                let summary =
                    format!("the value was added and removed, and no server could be asked for it: {error}");
                return Finding::new(Check::RoundTrip, Status::Problem, summary)
                    .remedy("see what the findings on the delegation and the servers say");
            }
        };
        let gone =
            watch(&visibility, &record, Until::Gone, within, &*self.ambient.clock).await.unwrap_or_default();
        let mut lines = Vec::new();
        for (server, line) in seen {
            let gone = gone.get(&server).and_then(|line| line.after);
            lines.push(match (line.after, gone) {
                (Some(after), Some(gone)) => {
                    let said =
                        format!("seen after {} ms, gone after {} ms", after.as_millis(), gone.as_millis());
                    Seen::new(server, Status::Ok, said)
                }
                (Some(after), None) => {
                    let said = format!("seen after {} ms, and still there", after.as_millis());
                    Seen::new(server, Status::Warning, said)
                }
                (None, _) => Seen::new(server, Status::Problem, not_seen(&line.last)),
            });
        }
        let finding = match worst(&lines) {
            Status::Ok => Finding::new(Check::RoundTrip, Status::Ok, "a value was added, seen everywhere, and removed"),
            Status::Warning => Finding::new(Check::RoundTrip, Status::Warning, "a removed value is still visible")
                .remedy("see whether these servers learn of changes in time (NOTIFY), or answer from a cache"),
            _ => Finding::new(Check::RoundTrip, Status::Problem, "a value was added, and not seen everywhere in time")
                .remedy(
                    "see that these servers follow the one that takes the changes; if their network has its own view of \
                     the zone (split horizon), ask servers outside",
                ),
        };
        finding.with_seen(lines)
    }
}

fn not_seen(last: &Verdict) -> String {
    match last {
        Verdict::Failed(why) => why.clone(),
        _ => "does not show the value".to_owned(),
    }
}
