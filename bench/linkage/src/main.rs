//! Clusters the records of a CSV file with default settings, for `bench/linkage.py`.
//!
//! Its columns are those of `party` (`given_name`, `phone`, …), `key`, `source`, `truth` (read for the evaluation alone), and
//! identifiers (`id:<type>`). Prints one JSON object: quality, CPU seconds by phase, peak memory in MB, what was compared.

mod change;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;

use csv::StringRecord;
use serde_json::{Value, json};
use tributary_linkage::evaluate::evaluate;
use tributary_linkage::refine::refine;
use tributary_linkage::{Builder, Options, Party, score, train};

/// User and system time of this process so far, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// The most memory that was in use, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Which column of the file is what.
struct Columns {
    known: [Option<usize>; 15],
    identifiers: Vec<usize>,
    names: Vec<String>,
}

impl Columns {
    fn new(header: &StringRecord) -> Columns {
        let known = [
            "key",
            "source",
            "name",
            "family_name",
            "given_name",
            "gender",
            "birthday",
            "phone",
            "email",
            "province",
            "city",
            "district",
            "street",
            "postcode",
            "truth",
        ]
        .map(|name| header.iter().position(|column| column == name));
        let of = |(at, name): (usize, &str)| Some((at, name.strip_prefix("id:")?.to_owned()));
        let (identifiers, names) = header.iter().enumerate().filter_map(of).unzip();
        Columns { known, identifiers, names }
    }

    fn builder(&self) -> Builder {
        Builder::new(1, &self.names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn field<'a>(&self, record: &'a StringRecord, column: usize) -> Option<&'a str> {
        self.known[column].and_then(|at| record.get(at)).filter(|text| !text.is_empty())
    }

    fn push(&self, record: &StringRecord, source: u32, builder: &mut Builder) -> Result<(), std::num::ParseIntError> {
        let field = |column: usize| self.field(record, column);
        let ids: Vec<(usize, &str)> = self
            .identifiers
            .iter()
            .enumerate()
            .filter_map(|(which, at)| Some((which, record.get(*at)?)))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        builder.push(&Party {
            key: u64::from_str_radix(field(0).unwrap_or("0"), 16)?,
            source,
            name: field(2),
            name_masked: false,
            family: field(3),
            given: field(4),
            gender: field(5),
            birthday: field(6),
            phone: field(7),
            email: field(8),
            province: field(9),
            city: field(10),
            district: field(11),
            street: field(12),
            postcode: field(13),
            identifiers: &ids,
        });
        Ok(())
    }
}

/// The next records of a file.
fn batch(reader: &mut csv::Reader<File>) -> csv::Result<Vec<StringRecord>> {
    reader.records().take(50_000).collect()
}

/// A number for each distinct text.
fn number(of: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(number) = of.get(text) {
        return *number;
    }
    let next = of.len() as u32;
    of.insert(text.to_owned(), next);
    next
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: linkage FILE.csv [between] [verbose]")?;
    let flags: Vec<String> = arguments.collect();
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);

    let mut reader = csv::Reader::from_path(&path)?;
    let columns = Columns::new(reader.headers()?);
    let mut builder = columns.builder();
    let (mut sources, mut persons) = (HashMap::new(), HashMap::new());
    let mut truth: Vec<Option<u32>> = vec![];
    let mut building = 0.0;
    loop {
        // In batches, so that the time of reading is not taken for that of building.
        let batch = batch(&mut reader)?;
        if batch.is_empty() {
            break;
        }
        let begun = cpu();
        for record in &batch {
            let source = number(&mut sources, columns.field(record, 1).unwrap_or_default());
            columns.push(record, source, &mut builder)?;
        }
        building += cpu() - begun;
        truth.extend(batch.iter().map(|record| columns.field(record, 14).map(|text| number(&mut persons, text))));
    }
    let begun = cpu();
    let features = builder.finish();
    building += cpu() - begun;
    let begun = cpu();
    let options = Options { between_sources: flag("between"), ..Options::default() };
    let model = train(&features, &options);
    let training = cpu() - begun;
    if flag("verbose") {
        for comparison in &model.comparisons {
            let shown = |of: &[f64; 16]| of.iter().map(|p| format!("{p:.2e}")).collect::<Vec<_>>().join(" ");
            eprintln!("{} known {:.2} records {}", comparison.name, comparison.known, comparison.records);
            eprintln!("  m {}\n  u {}", shown(&comparison.m), shown(&comparison.u));
            eprintln!(
                "  strangers {:.4?} rest {:.1} frequent {}",
                comparison.strangers,
                comparison.rest,
                comparison.frequent.len()
            );
        }
        for generic in model.generic(&features) {
            eprintln!("generic {generic:?}");
        }
        eprintln!(
            "prior {:.2} matches {:.0} households {:.0} coverage {:.4}",
            model.prior, model.matches, model.households, model.coverage
        );
    }
    let begun = cpu();
    let scored = score(&model, &features, threads);
    let scoring = cpu() - begun;
    let begun = cpu();
    let clusters = refine(&model, &features, &scored.edges);
    let clustering = cpu() - begun;
    let memory = peak();
    if flag("verbose") {
        for key in &scored.keys {
            eprintln!(
                "{:?} splits {:?} compared {} edges {} largest {} refused {} ({} records)",
                key.key.atoms,
                key.key.splits,
                key.compared,
                key.edges,
                key.largest,
                key.refused_blocks,
                key.refused_records
            );
        }
    }
    if let Some(path) = flags.iter().find_map(|flag| flag.strip_prefix("labels=")) {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for (record, label) in clusters.label.iter().enumerate() {
            writeln!(file, "{record},{label}")?;
        }
    }
    let changed =
        if flag("change") { change::cost(&path, &columns, &model, &features, &scored.edges)? } else { Value::Null };
    let quality = evaluate(&clusters.label, &truth);
    let mut by_threshold: Vec<Value> = vec![];
    for threshold in [0.5, 0.7, 0.9, 0.95, 0.99, 0.999] {
        let bits = f64::log2(threshold / (1.0 - threshold)) as f32;
        let edges: Vec<_> = scored.edges.iter().copied().filter(|edge| edge.bits >= bits).collect();
        let clusters = refine(&model, &features, &edges);
        by_threshold.push(json!([threshold, evaluate(&clusters.label, &truth).pairwise.f1]));
        if !flag("thresholds") {
            break;
        }
    }
    let out = json!({
        "records": features.len(), "edges": scored.edges.len(), "cut": clusters.cut.len(),
        "comparisons": scored.comparisons(), "coverage": model.coverage, "matches": model.matches,
        "change": changed, "quality": quality, "by_threshold": by_threshold, "peak_mb": memory,
        "cpu": {"features": building, "training": training, "scoring": scoring, "clusters": clustering,
                "all": building + training + scoring + clustering},
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{out}")?;
    Ok(())
}
