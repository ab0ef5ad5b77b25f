//! Several pipelines on one lake: whose a source is, and who makes what all share.
//!
//! A source belongs to the first pipeline that reads it. The stages after `clean` belong to the pipeline that declares
//! `[merge]` or `[mart]`, else to the first one; the others only sync and clean.

use std::collections::BTreeSet;

use chrono::Utc;
use tributary_lake::{Claim, Claims};

use crate::project::Project;
use crate::{Diagnostic, Span};

/// What a pipeline may do on its lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The claims with this pipeline's among them.
    pub claims: Claims,
    /// Sources of other pipelines, by their names now.
    pub others: BTreeSet<String>,
    /// The pipeline that makes the stages after `clean`, if it is another.
    pub stages_of: Option<String>,
}

/// Adds `project`'s claims to those there are. The claims of pipelines in `take_over` count as its own.
///
/// # Errors
/// One for each source that belongs to another pipeline, and one if another one declares the stages too.
pub fn share(project: &Project, mut claims: Claims, take_over: &[String]) -> Result<Share, Vec<Diagnostic>> {
    let pipeline = &project.pipeline;
    let name = &pipeline.name.value;
    let mine = |claim: &Claim| claim.pipeline == *name || take_over.contains(&claim.pipeline);
    let help = |mend: &str, owner: &str| {
        format!("{mend}; if `{owner}` is gone, or is this pipeline's old name, run with `--take-over {owner}`")
    };
    let mut diagnostics = Vec::new();
    for source in &pipeline.sources {
        if let Some(claim) = claims.sources.get(source.in_lake())
            && !mine(claim)
        {
            let message = format!("source `{}` of this lake belongs to pipeline `{}`", source.name, claim.pipeline);
            diagnostics.push(
                pipeline
                    .diagnostic(source.name.span, message)
                    .help(help("give one of the two another name", &claim.pipeline)),
            );
        }
    }
    for source in &pipeline.sources {
        let was = claims.sources.iter().find(|(_, claim)| claim.name.as_ref() == Some(&source.name.value));
        if let Some((was, _)) = was.filter(|(was, _)| *was != source.in_lake()) {
            let message = format!("source `{}` of this lake was `{was}` when it was first read", source.name);
            let help = format!("keep `renamed_from = \"{was}\"`, or give a source that is another one another name");
            diagnostics.push(pipeline.diagnostic(source.name.span, message).help(help));
        }
        let meant = source.renamed_from.as_ref().filter(|from| from.value != source.name.value);
        if let Some(from) = meant
            && let Some((was, _)) = claims.sources.iter().find(|(_, claim)| claim.name.as_ref() == Some(&from.value))
        {
            let message = format!("source `{from}` of this lake was `{was}` when it was first read");
            diagnostics.push(pipeline.diagnostic(from.span, message).help(format!("write `renamed_from = \"{was}\"`")));
        }
        let twin =
            pipeline.sources.iter().find(|other| other.in_lake() == source.in_lake() && other.name != source.name);
        if let Some(twin) = twin.filter(|_| source.renamed_from.is_some()) {
            let message = format!("in the lake, `{twin}` and `{}` would be one source", source.name, twin = twin.name);
            diagnostics.push(pipeline.diagnostic(twin.name.span, message).help("give this one a name that is new"));
        }
        if let Some(from) = &source.renamed_from
            && claims.sources.contains_key(&source.name.value)
            && source.name != *from
        {
            let message = format!("this lake has read a source `{}` already, which is not `{from}`", source.name);
            diagnostics
                .push(pipeline.diagnostic(from.span, message).help("give it a name that the lake does not know"));
        }
    }
    let declared = pipeline.merge.is_some() || pipeline.mart.is_some();
    let other = claims.stages.as_ref().filter(|claim| !mine(claim));
    if let Some(claim) = other
        && claim.declared
        && declared
    {
        let message = format!(
            "pipeline `{}` of this lake declares `[merge]` or `[mart]` as well: one makes them for all",
            claim.pipeline
        );
        let place = pipeline.declares_stages().unwrap_or(pipeline.name.span);
        diagnostics
            .push(pipeline.diagnostic(place, message).help(help("leave them out of one of the two", &claim.pipeline)));
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let stages_of = other.filter(|_| !declared).map(|claim| claim.pipeline.clone());
    let claim = |declared| Claim { pipeline: name.clone(), name: None, declared, since: Utc::now() };
    for taken in claims.sources.values_mut().filter(|claim| mine(claim) && claim.pipeline != *name) {
        taken.pipeline.clone_from(name);
    }
    for source in &pipeline.sources {
        let now = claims.sources.entry(source.in_lake().to_owned()).or_insert_with(|| claim(true));
        now.name = (source.in_lake() != source.name.value).then(|| source.name.value.clone());
    }
    let kept = claims.stages.as_ref().is_some_and(|now| now.pipeline == *name && now.declared == declared);
    if stages_of.is_none() && !kept {
        claims.stages = Some(claim(declared));
    }
    let others = claims.sources.iter().filter(|(_, claim)| claim.pipeline != *name);
    let others = others.map(|(source, _)| claims.name_of(source).to_owned()).collect();
    Ok(Share { claims, others, stages_of })
}

impl crate::Pipeline {
    /// Where the file declares the stages after `clean`.
    fn declares_stages(&self) -> Option<Span> {
        let merge = self.merge.as_ref().map(|merge| merge.span);
        merge.or(self.mart.as_ref().map(|mart| mart.span))
    }
}
