//! `init`: looks at files and writes a pipeline for them, with a first mapping.

use std::io::Write;
use std::path::{Path, PathBuf};

use tributary_connector::{AnyFactory, Configuration, Connector, Context, Registry};
use tributary_pipeline::{Project, parse, sample};

use crate::columns::{Column, flatten};
use crate::sheet::clip;
use crate::{Exit, check, network, preview, print, tell};

pub mod draft;
mod group;
pub mod guess;
mod key;
mod words;

use draft::Source;
use group::{Group, digits_apart, together};

/// Rows that are looked at.
const ROWS: usize = 1_000;

pub async fn init(files: &[PathBuf], output: &Path, registry: &Registry, colour: bool) -> Exit {
    let to_stdout = output == Path::new("-");
    if !to_stdout && output.exists() {
        return refused(output);
    }
    let stem = output.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let name: String = stem.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = if to_stdout { "pipeline" } else { name.as_str() };
    let sources = match look(files, registry).await {
        Ok(sources) => sources,
        Err(exit) => return exit,
    };
    let lake = format!("lake/{name}");
    let mut text = if sources.is_empty() { draft::template(name) } else { draft::render(name, &lake, &sources, true) };
    // What has been guessed must not be in the way of what is known.
    let mut right = Project::ready(parse(output, &text), registry, &network::settings()).await.map(drop);
    if right.is_err() {
        text = draft::render(name, &lake, &sources, false);
        right = Project::ready(parse(output, &text), registry, &network::settings()).await.map(drop);
    }
    if let Err(diagnostics) = right {
        check::show(&diagnostics, colour);
        return Exit::Failed;
    }
    if to_stdout {
        print(&text);
    } else {
        let written = std::fs::File::create_new(output).and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return refused(output),
            Err(e) => {
                eprintln!("error: `{}` could not be written: {e}", output.display());
                return Exit::Failed;
            }
            Ok(()) => {}
        }
    }
    sources.iter().for_each(|source| eprint!("{}", told(source)));
    if !to_stdout {
        next(output, &sources);
    }
    Exit::Done
}

fn refused(output: &Path) -> Exit {
    eprintln!("error: `{}` is there already", output.display());
    eprintln!("  hint: give another name with `-o other.toml`, or `-o -` to print it");
    Exit::Input
}

/// What was guessed, for a person.
fn told(source: &Source) -> String {
    let key = match (source.guess.primary_key.join(", "), source.guess.sure) {
        (key, _) if key.is_empty() => "no key found".to_owned(),
        (key, true) => format!("key {key}"),
        (key, false) => format!("key perhaps {key}"),
    };
    let mut text = format!(
        "{} → source `{}`\n  {}\n",
        source.path,
        source.name,
        [source.form.as_str(), &key].join("; ").trim_start_matches("; ")
    );
    for map in &source.guess.maps {
        let fields: Vec<_> =
            map.fields.iter().map(|(field, _)| *field).chain(map.identifiers.iter().map(|(kind, ..)| *kind)).collect();
        text.push_str(&format!("  → {}: {}\n", map.to, fields.join(", ")));
    }
    if source.guess.maps.is_empty() {
        let why = if source.rows == 0 { "it has no records" } else { "what it is about could not be guessed" };
        text.push_str(&format!("  → no mapping: {why}\n"));
    } else if !source.guess.unused.is_empty() {
        text.push_str(&format!("  not mapped: {}\n", clip(&source.guess.unused.join(", "), 200)));
    }
    text
}

fn next(output: &Path, sources: &[Source]) {
    let file = output.display();
    eprintln!("wrote {file}; read it, then:");
    if let Some(source) = sources.first() {
        eprintln!("  tributary preview {file} {}.{}", source.name, source.stream);
    }
    eprintln!("  tributary check {file}");
    eprintln!("  tributary run {file}");
}

/// What there is in some files, and what is guessed of it.
pub async fn look(files: &[PathBuf], registry: &Registry) -> Result<Vec<Source>, Exit> {
    let mut kinds: Vec<Vec<Group<'_>>> = Vec::new();
    for file in files {
        let path = file.to_string_lossy();
        let path = if cfg!(windows) { path.replace('\\', "/") } else { path.into_owned() };
        if file.is_dir() {
            eprintln!("error: `{path}` is a directory");
            eprintln!("  hint: name its files: `{}/*.csv`", path.trim_end_matches('/'));
            return Err(Exit::Input);
        }
        let group = alone(&path, registry).await?;
        let form = digits_apart(&path);
        match kinds.iter_mut().find(|kind| digits_apart(&kind[0].paths[0]) == form) {
            Some(kind) => kind.push(group),
            None => kinds.push(vec![group]),
        }
    }
    let mut sources: Vec<Source> = Vec::new();
    for group in kinds.into_iter().flat_map(together) {
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        sources.push(source(group, &names).await?);
    }
    Ok(sources)
}

fn failed(error: &tributary_connector::Error) -> Exit {
    tell(error, error.hint.clone());
    Exit::Input
}

/// A file by itself.
async fn alone<'a>(path: &str, registry: &'a Registry) -> Result<Group<'a>, Exit> {
    let found = registry.iter().find_map(|factory| Some((factory.as_ref(), factory.configure(path)?)));
    let Some((factory, config)) = found else {
        eprintln!("error: no connector reads `{path}`, by its name");
        registry.iter().for_each(|factory| eprintln!("  hint: `{}` reads {}", factory.name(), factory.summary()));
        return Err(Exit::Input);
    };
    let connector = built(factory, config.map_err(|e| failed(&e))?)?;
    let streams = connector.discover().await.map_err(|e| failed(&e))?;
    let columns = streams.iter().flat_map(|stream| stream.schema.fields()).map(|field| field.name().clone()).collect();
    let sniffed = connector.sniff().await.map_err(|e| failed(&e))?.unwrap_or_default();
    let form = preview::form(&sniffed);
    Ok(Group { factory, paths: vec![path.to_owned()], columns, pinned: sniffed.config, form })
}

fn built(factory: &dyn AnyFactory, config: Configuration) -> Result<Box<dyn Connector>, Exit> {
    let context = Context::new("init", chrono_tz::Tz::UTC);
    factory.build(config.into(), &context).map_err(|e| failed(&e))
}

async fn source(group: Group<'_>, taken: &[String]) -> Result<Source, Exit> {
    let path = group.path();
    let config = group.factory.configure(&path).and_then(Result::ok).unwrap_or_default();
    let all = config.clone().into_iter().chain(group.pinned.clone()).collect();
    let connector = built(group.factory, all)?;
    let streams = connector.discover().await.map_err(|e| failed(&e))?;
    let Some(stream) = streams.first() else {
        eprintln!("error: nothing is in `{path}`");
        return Err(Exit::Input);
    };
    let sample = sample::sample("init", connector.as_ref(), stream, ROWS).await.map_err(|e| tell(&e, e.hint()))?;
    for (partition, error) in &sample.errors {
        eprintln!("warning: passed over `{partition}`: {error}");
    }
    if let Some(first) = sample.rejected.first() {
        eprintln!("warning: records of `{path}` are rejected, {} so far; the first: {first}", sample.rejected.len());
    }
    let columns = flatten(&sample.columns()).map_err(|e| tell(&e, None))?;
    let guess = guess::guess(&columns);
    let about = match guess.maps.first().map_or("", |map| map.to) {
        "party" => "members",
        "order" | "order_line" => "orders",
        "feedback" => "answers",
        "product" => "products",
        _ => "source",
    };
    Ok(Source {
        name: name_of(&path, about, taken),
        path,
        connector: group.factory.name(),
        config,
        pinned: group.pinned,
        form: group.form,
        stream: stream.name.clone(),
        chinese: chinese(&columns),
        date_order: date_order(&columns),
        phones: guess.maps.iter().flat_map(|map| &map.identifiers).any(|(kind, ..)| *kind == "phone"),
        mobiles: mobiles(&columns, &guess),
        rows: sample.rows.num_rows(),
        guess,
    })
}

/// A source's name: of its file, or what it is about, that is not `taken`.
fn name_of(path: &str, about: &str, taken: &[String]) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split('.').next().unwrap_or(file).to_ascii_lowercase();
    let fits = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
    let stem: String = stem.chars().map(fits).collect();
    let stem =
        stem.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches(|c: char| !c.is_ascii_lowercase());
    let stem = if stem.is_empty() { about } else { stem.get(..50).unwrap_or(stem) };
    let numbered = (2..).map(|number| format!("{stem}_{number}"));
    std::iter::once(stem.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Whether names or values are Chinese.
fn chinese(columns: &[Column]) -> bool {
    let texts = || {
        columns
            .iter()
            .flat_map(|column| column.path.iter().chain(column.values.iter().flatten()))
            .flat_map(|text| text.chars())
    };
    texts().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)) && !texts().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c))
}

/// Whether most phones are Chinese mobile numbers without a prefix.
fn mobiles(columns: &[Column], guess: &guess::Guess) -> bool {
    let phones = guess.maps.iter().flat_map(|map| &map.identifiers).filter(|(kind, ..)| *kind == "phone");
    let named: Vec<&String> = phones
        .filter_map(|(.., value)| if let guess::Value::Column(name) = value { Some(name) } else { None })
        .collect();
    let of_phones = columns.iter().filter(|column| named.contains(&&column.name()));
    let (mut all, mut mobile) = (0, 0);
    for text in of_phones.flat_map(|column| column.values.iter().flatten()).filter(|text| !text.trim().is_empty()) {
        let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let fits = digits.len() == 11 && digits[0] == '1' && ('3'..='9').contains(&digits[1]);
        all += 1;
        mobile += usize::from(fits && digits.iter().all(|c| c.is_ascii_digit() || *c == '*'));
    }
    mobile * 5 > all * 4
}

/// The order of day and month where the year comes last: by a number over 12; empty if none tells.
fn date_order(columns: &[Column]) -> Option<&'static str> {
    let (mut seen, mut order) = (false, None);
    for text in columns.iter().flat_map(|column| column.values.iter().flatten()) {
        let date = text.split([' ', 'T']).next().unwrap_or_default();
        let numbers: Option<Vec<u32>> = date.split(['/', '-', '.']).map(|part| part.parse().ok()).collect();
        let Some(&[first, second, year]) = numbers.as_deref() else { continue };
        if !(1000..=9999).contains(&year) || !(1..=31).contains(&first) || !(1..=31).contains(&second) {
            continue;
        }
        seen = true;
        order = order.or(if first > 12 {
            Some("dmy")
        } else if second > 12 {
            Some("mdy")
        } else {
            None
        });
    }
    seen.then_some(order.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_after_its_file() {
        assert_eq!(name_of("a/b/Tickets_*.csv", "orders", &[]), "tickets");
        assert_eq!(name_of("会员.xlsx", "members", &["members".into()]), "members_2");
        assert_eq!(name_of("2026-orders v2.csv", "source", &[]), "orders_v");
    }
}
