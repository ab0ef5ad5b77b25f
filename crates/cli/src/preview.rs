//! `preview`: a stream's layout, its first rows as read, and what its mappings make of them.

use std::path::Path;

use tributary_connector::{Registry, Sniffed, Stream};
use tributary_pipeline::sample::{self, Sample};
use tributary_pipeline::{Error, Project, ReadySource};

use crate::columns::{flatten, kind_name};
use crate::sheet::{Sheet, clip, width};
use crate::{Exit, check, network, print, tell};

mod mapped;

/// Lines above a header, and reasons for rejection, that are shown.
const LINES: usize = 5;

pub async fn preview(path: &Path, wanted: &str, rows: usize, registry: &Registry, colour: bool) -> Exit {
    let project = match Project::open(path, registry, &network::settings()).await {
        Ok(project) => project,
        Err(diagnostics) => return check::show(&diagnostics, colour),
    };
    let (name, stream) = wanted.split_once('.').unwrap_or((wanted, ""));
    let source = project.sources.iter().find(|source| source.name == name);
    if let Some(error) = source.and_then(|source| source.undiscovered.as_ref()) {
        return tell(error, error.hint.clone());
    }
    let found = source.and_then(|source| Some((source, source.streams.iter().find(|known| known.name == stream)?)));
    let Some((source, stream)) = found else {
        let known = project.sources.iter().flat_map(|source| source.streams.iter().map(move |stream| (source, stream)));
        let known: Vec<_> = known.map(|(source, stream)| format!("`{}.{}`", source.name, stream.name)).collect();
        eprintln!("error: `{}` has no stream `{}`", path.display(), clip(wanted, 80));
        eprintln!("  hint: its streams are {}", known.join(", "));
        return Exit::Input;
    };
    match show(&project, source, stream, rows).await {
        Ok(text) => {
            print(&text);
            Exit::Done
        }
        Err(e) => {
            let hint = e.hint();
            tell(&e, hint)
        }
    }
}

async fn show(project: &Project, source: &ReadySource, stream: &Stream, rows: usize) -> Result<String, Error> {
    // What it looks like is told where it can be; the reading says what is wrong.
    let sniffed = source.connector.sniff().await.ok().flatten();
    let mut sample = sample::sample(&source.name, source.connector.as_ref(), stream, rows).await?;
    if sample.rows.num_rows() == 0 && !sample.errors.is_empty() {
        return Err(Error::Connector(sample.errors.swap_remove(0).1));
    }
    for (partition, error) in &sample.errors {
        eprintln!("warning: passed over `{partition}`: {error}");
    }
    let width = width();
    let mut text = head(source, stream, &sample, sniffed.as_ref());
    text.push_str("\nas read\n");
    text.push_str(&as_read(stream, &sample)?.render("  ", width));
    let mappings: Vec<_> = project
        .mappings
        .iter()
        .filter(|mapping| mapping.source == source.name && mapping.stream == stream.name)
        .collect();
    if mappings.is_empty() {
        eprintln!("no `[[map]]` is from `{}.{}` yet", source.name, stream.name);
    }
    let answers = if sample.rows.num_rows() > 0 { sample::mapped(&sample, &mappings).await? } else { Vec::new() };
    let mut lost = Vec::new();
    for (mapping, answer) in mappings.into_iter().zip(&answers) {
        text.push_str(&mapped::render(mapping, &sample, answer, width, &mut lost)?);
    }
    text.push_str(&mapped::reasons(&lost));
    Ok(text)
}

/// What the file looks like, and the key.
fn head(source: &ReadySource, stream: &Stream, sample: &Sample, sniffed: Option<&Sniffed>) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(sniffed) = sniffed {
        let here = std::env::current_dir().unwrap_or_default();
        let path = Path::new(&sniffed.path);
        lines.push(("file", path.strip_prefix(here).unwrap_or(path).display().to_string()));
        lines.push(("format", form(sniffed)));
        let titles = sniffed.title_rows.iter().take(LINES).map(|title| clip(title, 100));
        lines.extend(titles.enumerate().map(|(at, title)| (if at == 0 { "above the header" } else { "" }, title)));
        if let Some(total) = &sniffed.total_row {
            lines.push((
                "left out below",
                clip(&total.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(" "), 100),
            ));
        }
    } else if let Some(partition) = &sample.partition {
        lines.push(("from", partition.to_string()));
    }
    let key = stream.primary_key.join(", ");
    lines.push(("primary key", if key.is_empty() { "none: a record is known by its place".into() } else { key }));
    for (at, reason) in sample.rejected.iter().take(LINES).enumerate() {
        lines.push((if at == 0 { "rejected" } else { "" }, reason.clone()));
    }
    if sample.rejected.len() > LINES {
        lines.push(("", format!("and {} more", sample.rejected.len() - LINES)));
    }
    let mut text = format!("{}.{}\n", source.name, stream.name);
    for (label, value) in lines {
        text.push_str(format!("  {label:<16}  {value}").trim_end());
        text.push('\n');
    }
    text
}

/// A file's format in words.
pub fn form(sniffed: &Sniffed) -> String {
    let delimiter = sniffed.delimiter.map(|delimiter| match delimiter {
        '\t' => "delimited by tabs".to_owned(),
        delimiter => format!("delimited by `{delimiter}`"),
    });
    let format = Some(sniffed.format.clone()).filter(|format| !format.is_empty());
    [format, sniffed.encoding.clone(), delimiter].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The columns with their types and first values.
fn as_read(stream: &Stream, sample: &Sample) -> Result<Sheet, Error> {
    let rows = sample.rows.num_rows();
    let mut sheet = Sheet::new(["column", "type"], (1..=rows).map(|row| row.to_string()));
    for column in flatten(&sample.columns())? {
        let key = if column.path.len() == 1 && stream.primary_key.contains(&column.path[0]) { " *" } else { "" };
        let label = format!("{}{key}", clip(&column.name(), 24));
        sheet
            .line([label.as_str(), &kind_name(&column.kind)], column.values.into_iter().map(Option::unwrap_or_default));
    }
    Ok(sheet)
}
