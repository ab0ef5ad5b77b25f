//! Two connectors with one credential, as two pipelines of a machine have.

use super::{once, pace};
use crate::clock::locked;
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::{Change, DeclaredStream, Failure, Passed, Size, Subject};

/// Two connectors that share a folder get one token, also when it ends, and stay within the budget together.
///
/// # Errors
/// What is not so.
pub fn shared_credential(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::SHARED_CREDENTIAL, || {
        let stage = Stage::new(subject, Size::Small)?;
        let Some(declared) = stage.declared.streams.first() else {
            return Ok(Passed::skipped("no stream is declared"));
        };
        if !stage.has_http() || (stage.declared.tokens.is_none() && stage.declared.budgets.is_empty()) {
            return Ok(Passed::skipped("there is neither a token nor a budget to share"));
        }
        run(async {
            let stream = stage.stream(declared.name).await?;
            for (tokens, situation) in [(1, "at the start"), (2, "after the token has ended")] {
                if tokens == 2 && locked(&stage.world).change(declared.name, &Change::ExpireTokens).is_err() {
                    break;
                }
                let (one, other) = tokio::join!(read(&stage, declared, &stream), read(&stage, declared, &stream));
                one.and(other).during(|| situation.to_owned())?;
                let fetched = stage.declared.tokens.map_or(tokens, |pattern| stage.traffic.count(pattern));
                if fetched != tokens {
                    return Err(Failure::new(format!("{tokens} requests for tokens in all"), format!("{fetched}"))
                        .during(situation)
                        .hint("make clients and tokens from `Context::http`, under one name for a credential"));
                }
            }
            pace::kept(&stage.traffic.log(), &stage.declared.budgets, stage.declared.at_once)?;
            Ok(Passed::with(""))
        })
    })
}

async fn read(stage: &Stage, declared: &DeclaredStream, stream: &tributary_connector::Stream) -> Result<(), Failure> {
    let (mut ledger, connector) = (Ledger::default(), stage.connector()?);
    match stage.read(&*connector, declared, stream, &mut ledger, |_| Go::On).await? {
        Ended::Broken(error) => Err(Failure::new("to read to the end", described(&error))),
        _ => ledger.against(&stage.truth(declared)?, stream),
    }
}
