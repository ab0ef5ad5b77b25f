//! `merge decide`: what a steward says of two records.

use tributary_engine::{Options, Session};
use tributary_lake::Lease;
use tributary_merge::decision::{self, Decided, Refused, Statement, Verdict};

use crate::{Exit, lakes, print, tell};

pub async fn decide(lake: &str, said: Statement<'_>, json: bool) -> Exit {
    let decided = match take_down(lake, said).await {
        Ok(decided) => decided,
        Err(refused) => {
            let hint = match &refused {
                Refused::Engine(tributary_engine::Error::Lake(e)) => e.hint(),
                other => other.hint().map(str::to_owned),
            };
            let exit = tell(&refused, hint);
            return if matches!(refused, Refused::Engine(_)) { exit } else { Exit::Input };
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&decided).unwrap_or_default()));
        return Exit::Done;
    }
    let Decided { number, a, b, verdict, before } = decided;
    let verdict = match verdict {
        Verdict::Same => "are one person",
        Verdict::Apart => "are two persons",
        Verdict::Open => "are what the evidence says",
    };
    let before = match before {
        Some(Verdict::Same) => "; before, they were one person by decision",
        Some(Verdict::Apart) => "; before, they were two persons by decision",
        _ => "",
    };
    print(&format!("decision {number}: records {a} and {b} {verdict}{before}\n"));
    eprintln!("run the pipeline: it merges by this");
    Exit::Done
}

async fn take_down(lake: &str, said: Statement<'_>) -> Result<Decided, Refused> {
    let lake = lakes::open(lake).await?;
    let lease = Lease::take(&lake, "run", "a decision").await?;
    let lake = lake.under(&lease);
    let session = Session::new(&lake, &Options::default())?;
    let decided = decision::decide(&lake, &session, said).await;
    lease.release().await?;
    decided
}
