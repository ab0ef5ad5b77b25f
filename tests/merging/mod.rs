//! Merging as a user meets it: one file deduplicated, the result explained, evaluated and shown, the model kept.

use std::fs;
use std::path::Path;

use crate::scenes::{count, number, query, text, tributary};

/// Persons in the words of a file that nobody has described, some of them twice; the truth is in the last column.
fn twins(folder: &Path) -> usize {
    let family = [
        "Green",
        "Okafor",
        "Lindqvist",
        "Marchetti",
        "Novak",
        "Sato",
        "Dubois",
        "Haddad",
        "Kowalski",
        "Iversen",
        "Brandt",
        "Quinn",
    ];
    let given = [
        "Alice", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya", "Lucien",
        "Maeve", "Nils",
    ];
    let towns = ["Lyon", "Graz", "Turin", "Porto", "Ghent", "Malmo", "Brno"];
    let mut lines = vec!["First Name,Surname,Date of Birth,City,Note,person".to_owned()];
    for person in 0..300u64 {
        // As good as chance, and the same each time.
        let draw = |of: u64, most: usize| {
            let mixed = (person * 8 + of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize % most
        };
        let (first, last, town) =
            (given[draw(0, given.len())], family[draw(1, family.len())], towns[draw(2, towns.len())]);
        let birth = format!("{}-{:02}-{:02}", 1950 + draw(3, 53), 1 + draw(4, 12), 1 + draw(5, 28));
        lines.push(format!("{first},{last},{birth},{town},n{person},p{person}"));
        match person % 3 {
            // As it was typed elsewhere.
            0 => lines.push(format!("{first},{}x,{birth},{town},m{person},p{person}", &last[..last.len() - 1])),
            1 => lines.push(format!("{first},{last},{birth},,m{person},p{person}")),
            _ => {}
        }
    }
    fs::write(folder.join("people.csv"), lines.join("\n") + "\n").unwrap();
    lines.len() - 1
}

#[test]
fn a_file_is_deduplicated_in_one_command_and_the_result_explained() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let rows = twins(here);
    let dedupe = |output: &str, more: &[&str]| {
        let command = [&["merge", "dedupe", "people.csv", "-o", output, "--truth", "person"], more].concat();
        tributary(here, &command)
    };
    let said = dedupe("out.csv", &["--keep", "work"]).ends(0);
    let said = said.tells("given_name = First Name").tells("not looked at: Note").tells("wrote out.csv");
    assert!(said.out.contains("in force"), "{}", said.out);

    // All rows are there, in their order, and rows of one person have one id.
    let mut reader = csv::Reader::from_path(here.join("out.csv")).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[1..], ["customer_records", "First Name", "Surname", "Date of Birth", "City", "Note", "person"]);
    let out: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(out.len(), rows);
    let notes = |row: &csv::StringRecord| row[6].to_owned();
    let original = fs::read_to_string(here.join("people.csv")).unwrap();
    assert!(
        original.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).eq(out
            .iter()
            .map(notes)
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str))
    );
    let evaluated = tributary(here, &["merge", "evaluate", "work/pipeline.toml", "--truth", "none.csv"]).ends(2);
    evaluated.tells("none.csv");

    // The same by keys of the lake.
    let lake = here.join("work/lake");
    let labels = query(
        &lake,
        "select p.record_key, r.person from clean.party p join raw.people_rows r on r._source_key = p.record_key",
    );
    let labels: Vec<String> =
        labels.iter().map(|row| format!("{},{}", text(row, "record_key"), text(row, "person"))).collect();
    fs::write(here.join("labels.csv"), format!("record_key,person\n{}\nnobody,p1\n", labels.join("\n"))).unwrap();
    let found =
        tributary(here, &["merge", "evaluate", "work/pipeline.toml", "--truth", "labels.csv", "--json"]).ends(0).json();
    assert_eq!((count(&found, "known"), count(&found, "absent")), (rows as i64, 1));
    let in_force = found["by_threshold"].as_array().unwrap().iter().find(|at| at["in_force"] == true).unwrap();
    assert!(in_force["pairwise"]["f1"].as_f64().unwrap() > 0.97, "{found}");

    // Why two are one, comparison by comparison, and why two are not.
    let pair = |sql: &str| -> [String; 2] {
        let rows = query(&lake, sql);
        ["a", "b"].map(|name| text(&rows[0], name).to_owned())
    };
    let [a, b] = pair("select a, b from identity.edge where kind = 'likely' order by bits limit 1");
    let why = tributary(here, &["why", "work/lake", &a, &b]).ends(0).out;
    for part in [
        "are one customer",
        "what likeness says, by model 1",
        "two records at random",
        "family_name",
        "compared because they share",
    ] {
        assert!(why.contains(part), "`{part}` is not in\n{why}");
    }
    let json = tributary(here, &["why", "work/lake", &a, &b, "--json"]).ends(0).json();
    let likeness = &json["likeness"];
    let sum: f64 = likeness["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["bits"].as_f64().unwrap() + of["frequency_bits"].as_f64().unwrap())
        .sum();
    let [prior, household, bits] = ["prior", "household", "bits"].map(|name| likeness[name].as_f64().unwrap());
    assert!((sum + prior + household - bits).abs() < 1e-3, "{json}");
    assert_eq!(json["edges"][0]["kind"], "likely");
    let stranger = pair(&format!(
        "select '{a}' as a, record_key as b from identity.member where customer_id not in \
         (select customer_id from identity.member where record_key = '{a}') order by record_key limit 1"
    ))[1]
        .clone();
    assert!(tributary(here, &["why", "work/lake", &a, &stranger]).ends(0).out.contains("are two customers"));

    // A page that needs nothing else, with values of persons only where they are asked for.
    let page = |name: &str, more: &[&str]| {
        tributary(here, &[&["merge", "report", "work/pipeline.toml", "-o", name], more].concat()).ends(0);
        fs::read_to_string(here.join(name)).unwrap()
    };
    let plain = page("plain.html", &[]);
    for part in ["Pairs by weight of evidence", "Blocking", "Borderline pairs", "<svg"] {
        assert!(plain.contains(part), "`{part}` is not in the page");
    }
    assert!(!plain.contains("http") && !plain.contains("<script"), "it asks for what is elsewhere");
    assert!(!plain.contains("Lindqvist") && page("values.html", &["--values"]).contains("Lindqvist"));

    // Nothing is written over, and other formats hold the same.
    dedupe("out.csv", &[]).ends(2).tells("`--force`");
    dedupe("out.xml", &[]).ends(2).tells("`.parquet`");
    dedupe("out.jsonl", &["--map", "hair=Note"]).ends(2).tells("a person has no field `hair`");
    dedupe("out.jsonl", &["--map", "family_name="]).ends(0);
    assert_eq!(fs::read_to_string(here.join("out.jsonl")).unwrap().lines().count(), rows);
}

#[test]
fn a_model_is_kept_until_a_new_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    twins(here);
    tributary(here, &["merge", "dedupe", "people.csv", "-o", "out.parquet", "--keep", "work"]).ends(0);
    // Records that have a number of their own, so that a file may grow.
    let file = here.join("work/pipeline.toml");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("# primary_key")).unwrap();
    fs::write(&file, text.replace(line, "primary_key = [\"Note\"]")).unwrap();
    fs::remove_dir_all(here.join("work/lake")).unwrap();
    tributary(here, &["run", "work/pipeline.toml"]).ends(0);
    let lake = here.join("work/lake");
    let models = || number(&lake, "select count(*) from identity.model");
    let members = || query(&lake, "select record_key, customer_id from identity.member order by record_key");
    assert_eq!(models(), 1);
    let before = members();
    assert_eq!(tributary(here, &["run", "work/pipeline.toml"]).ends(0).out, "nothing new\n");

    // More records, the same model; no id changes.
    let mut more = fs::read_to_string(here.join("people.csv")).unwrap();
    more.push_str("Zoe,Abernathy,1990-05-05,Lyon,x1,q1\nZoe,Abernathi,1990-05-05,Lyon,x2,q1\n");
    fs::write(here.join("people.csv"), more).unwrap();
    tributary(here, &["run", "work/pipeline.toml"]).ends(0);
    assert_eq!(models(), 1);
    let now = members();
    assert_eq!(now.len(), before.len() + 2);
    assert!(before.iter().all(|row| now.contains(row)));
    let zoe = query(
        &lake,
        "select m.customer_id from identity.member m join clean.party p on p.record_key = m.record_key where p.given_name = 'Zoe'",
    );
    assert!(zoe.len() == 2 && zoe[0] == zoe[1], "{zoe:?}");

    let said = tributary(here, &["run", "work/pipeline.toml", "--retrain"]).ends(0);
    assert!(said.out.contains("likely edges"), "{}", said.out);
    assert_eq!(models(), 2);
    assert_eq!(tributary(here, &["run", "work/pipeline.toml"]).ends(0).out, "nothing new\n");

    // Without likeness, only equal identifiers tie records: here, none.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[merge]\nlikely = false\n")).unwrap();
    let said = tributary(here, &["run", "work/pipeline.toml"]).ends(0);
    assert!(!said.out.contains("likely edges"), "{}", said.out);
    assert_eq!(number(&lake, "select count(distinct customer_id) from identity.member"), now.len() as i64);
}
