//! The pipelines that come with the repository, run over the data that comes with it and held against what is known of that
//! data: the made-up retailer's truth, the published summary of CDNOW, and the sums of the files themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod scenes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use scenes::{balances, count, query, repository, text, tributary};
use serde_json::Value;
use tributary_sandbox::read_truth;

/// A lake that a pipeline of the repository was run into, and what the run said.
struct Sample {
    folder: tempfile::TempDir,
    pipeline: PathBuf,
    summary: Value,
}

impl Sample {
    /// Runs `pipelines/<name>.toml` from the top of the repository, with a lake of our own.
    fn run(name: &str) -> Self {
        Self::run_in(tempfile::tempdir().unwrap(), name)
    }

    fn run_in(folder: tempfile::TempDir, name: &str) -> Self {
        let source = fs::read_to_string(repository().join(format!("pipelines/{name}.toml"))).unwrap();
        let (theirs, ours) = (format!("\"lake/{name}\""), format!("{:?}", folder.path().join("lake")));
        assert_eq!(source.matches(&theirs).count(), 1, "{name}.toml names its lake once");
        let pipeline = folder.path().join(format!("{name}.toml"));
        fs::write(&pipeline, source.replace(&theirs, &ours)).unwrap();
        let said = tributary(&repository(), &["run", pipeline.to_str().unwrap(), "--json"]).ends(0);
        Self { summary: said.json(), folder, pipeline }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn query(&self, sql: &str) -> Vec<Value> {
        query(&self.lake(), sql)
    }

    /// Fails unless the ledger adds up and nothing was lost on the way.
    fn is_whole(&self) {
        balances(&self.lake(), &self.summary);
        assert_eq!(self.summary["errors"], serde_json::json!([]));
        assert_eq!(self.summary["warnings"], serde_json::json!([]), "no record is rejected");
    }
}

/// The fields of a CSV file without quotes, by the header's names.
fn table(path: &str) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(repository().join("pipelines/sample").join(path)).unwrap();
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.split(',').map(str::to_owned));
    let header: Vec<String> = lines.next().unwrap().collect();
    lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
}

/// A decimal in units of 10⁻⁴; none if it has other signs or more places.
fn units(text: &str) -> Option<i64> {
    let (sign, plain) = text.strip_prefix('-').map_or((1, text), |plain| (-1, plain));
    let (whole, places) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || places.len() > 4 || !digits(whole) || !digits(places) {
        return None;
    }
    Some(sign * format!("{whole}{places:0<4}").parse::<i64>().ok()?)
}

// The made-up retailer

static QUICKSTART: LazyLock<Sample> = LazyLock::new(|| Sample::run_in(scenes::shared(), "quickstart"));

/// A record of a person in the lake, and whose it truly is.
struct Record {
    key: String,
    name: String,
    masked: bool,
    customer: String,
    person: u32,
}

static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let truth = read_truth(&repository().join("pipelines/sample/retailer")).unwrap();
    let buyers: HashMap<&str, u32> =
        truth.people.iter().filter_map(|(number, person)| Some((person.ouid.as_deref()?, *number))).collect();
    let rows = QUICKSTART.query(
        "select p.source, p.record_id, p.name, p.name_masked, p.record_key, m.customer_id \
         from clean.party p left join identity.member m on m.record_key = p.record_key and not m.retired",
    );
    let records = rows.iter().map(|row| {
        let id = text(row, "record_id");
        let person = match text(row, "source") {
            "stores" => truth.records["stores.members"].get(id),
            "crm" => truth.records["crm.contacts"].get(id),
            _ => buyers.get(id),
        };
        Record {
            key: text(row, "record_key").to_owned(),
            name: row["name"].as_str().unwrap_or_default().to_owned(),
            masked: row["name_masked"] == true,
            customer: text(row, "customer_id").to_owned(),
            person: *person.unwrap_or_else(|| panic!("nobody is known to own {row}")),
        }
    });
    let records: Vec<_> = records.collect();
    let known = truth.records.values().map(HashMap::len).sum::<usize>();
    assert!(known > 2_000 && records.len() > known, "all records came through, and those of the shop");
    let mut counted = BTreeSet::new();
    assert!(records.iter().all(|record| counted.insert(&record.key)), "a record belongs to exactly one customer");
    records
});

/// Unmasked identifiers that join people, by record.
static IDENTIFIERS: LazyLock<HashMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let mut found = HashMap::<String, BTreeSet<String>>::new();
    let sql = "select record_key, type, scope, value from clean.party_identifier where not masked";
    for row in QUICKSTART.query(sql) {
        let identifier = format!("{} {} {}", text(&row, "type"), text(&row, "scope"), text(&row, "value"));
        found.entry(text(&row, "record_key").to_owned()).or_default().insert(identifier);
    }
    found
});

/// Whether two clear names are forms of one name, in the plainest sense: the same but for a title, one character or two
/// neighbours swapped. None for a name in hanzi and one in Latin letters, which takes knowing pinyin to say.
fn alike(a: &str, b: &str) -> Option<bool> {
    let plain = |name: &str| name.trim_end_matches("先生").trim_end_matches("女士").chars().collect::<Vec<char>>();
    let (a, b) = (plain(a), plain(b));
    let latin = |name: &[char]| name.iter().any(char::is_ascii_alphabetic);
    if latin(&a) != latin(&b) {
        return None;
    }
    if a.len() != b.len() {
        return Some(false);
    }
    let apart: Vec<usize> = (0..a.len()).filter(|&at| a[at] != b[at]).collect();
    Some(match apart[..] {
        [] | [_] => true,
        [first, second] => second == first + 1 && a[first] == b[second] && a[second] == b[first],
        _ => false,
    })
}

/// All pairs within each group.
fn pairs<'a, K: Ord>(
    records: &'a [Record],
    group: impl Fn(&'a Record) -> K,
) -> impl Iterator<Item = (&'a Record, &'a Record)> {
    let mut groups = BTreeMap::<K, Vec<&Record>>::new();
    records.iter().for_each(|record| groups.entry(group(record)).or_default().push(record));
    groups.into_values().flat_map(|group| {
        let every = group.clone().into_iter().enumerate();
        every.flat_map(|(at, a)| group[at + 1..].iter().map(move |b| (a, *b)).collect::<Vec<_>>()).collect::<Vec<_>>()
    })
}

#[test]
fn records_of_one_person_are_joined_and_of_two_are_not() {
    let (mut right, mut wrong) = (0u32, Vec::new());
    for (a, b) in pairs(&RECORDS, |record| record.customer.as_str()) {
        if a.person == b.person { right += 1 } else { wrong.push(format!("{} {}", a.name, b.name)) }
    }
    let precision = f64::from(right) / (f64::from(right) + wrong.len() as f64);

    let none = BTreeSet::new();
    let of = |record: &Record| IDENTIFIERS.get(&record.key).unwrap_or(&none);
    let (mut all, mut certain, mut missed) = (0u32, 0u32, Vec::new());
    for (a, b) in pairs(&RECORDS, |record| record.person) {
        all += 1;
        let clear = !a.masked && !b.masked && !a.name.is_empty() && !b.name.is_empty();
        if clear && !of(a).is_disjoint(of(b)) && alike(&a.name, &b.name) == Some(true) {
            certain += 1;
            if a.customer != b.customer {
                missed.push(format!("{} {}", a.name, b.name));
            }
        }
    }
    let recall = 1.0 - missed.len() as f64 / f64::from(certain);
    let of_all = f64::from(right) / f64::from(all);
    eprintln!(
        "precision {precision:.4}; recall of {certain} certain pairs {recall:.4}, of all {all} pairs {of_all:.4}"
    );
    assert!(right > 500 && certain > 500, "there is something to judge by: {right}, {certain}");
    assert!(precision >= 0.99, "precision {precision:.4}: {wrong:?}");
    assert!(recall >= 0.99, "recall {recall:.4}: {missed:?}");
    // Three in four share an identifier; likeness finds the others.
    assert!(of_all >= 0.97, "recall of all pairs {of_all:.4}");
}

#[test]
fn the_phone_of_a_till_joins_nobody() {
    let mut holders = BTreeMap::<&str, Vec<&Record>>::new();
    for record in RECORDS.iter() {
        let phones = IDENTIFIERS.get(&record.key).into_iter().flatten().filter(|value| value.starts_with("phone "));
        phones.for_each(|phone| holders.entry(phone).or_default().push(record));
    }
    let mut tills = 0;
    for (phone, records) in holders {
        let mut unlike: Vec<&str> = Vec::new();
        for record in records.iter().filter(|record| !record.masked && !record.name.is_empty()) {
            if unlike.iter().all(|name| alike(name, &record.name) == Some(false)) {
                unlike.push(&record.name);
            }
        }
        if unlike.len() < 5 {
            continue;
        }
        tills += 1;
        let mut people = BTreeMap::<&str, BTreeSet<u32>>::new();
        for record in &records {
            people.entry(&record.customer).or_default().insert(record.person);
        }
        let joined: Vec<_> = people.into_iter().filter(|(_, people)| people.len() > 1).collect();
        assert!(joined.is_empty(), "a till's phone, …{}, joins {joined:?}", &phone[phone.len() - 4..]);
    }
    assert!(tills >= 3, "there are phones of tills to judge by: {tills}");
}

/// Where a customer is made of records and not of the order's own identifier alone, the order is truly of one of them.
#[test]
fn orders_go_to_those_who_made_them() {
    let truth = read_truth(&repository().join("pipelines/sample/retailer")).unwrap();
    let mut people = HashMap::<&str, BTreeSet<u32>>::new();
    for record in RECORDS.iter() {
        people.entry(&record.customer).or_default().insert(record.person);
    }
    let rows = QUICKSTART.query(
        "select o.source, o.order_no, a.customer_id from clean.order o \
         left join customer.attribution a on a.record_key = o.record_key and a.entity = 'order'",
    );
    let (mut judged, mut wrong, mut orphans) = (0u32, Vec::new(), Vec::new());
    for row in &rows {
        let number = text(row, "order_no");
        let stream = if row["source"] == "shop" { "shop.orders" } else { "stores.tickets" };
        let person = truth.orders[stream].get(number).unwrap_or_else(|| panic!("nobody made {row}"));
        let customer = row["customer_id"].as_str();
        if let Some(people) = customer.and_then(|customer| people.get(customer)) {
            judged += 1;
            if !person.is_some_and(|person| people.contains(&person)) {
                wrong.push(number);
            }
        }
        if customer.is_none() && person.is_some() {
            orphans.push(number);
        }
    }
    eprintln!("{} orders, {judged} of customers with records, {} wrong", rows.len(), wrong.len());
    assert!(judged > 1_000, "there is something to judge by: {judged}");
    assert!(wrong.len() as f64 <= f64::from(judged) * 0.01, "{} of {judged} go to others: {wrong:?}", wrong.len());
    assert!(orphans.len() as f64 <= rows.len() as f64 * 0.01, "nobody's, though it is told whose: {orphans:?}");
}

#[test]
fn the_retailers_ledger_balances_and_a_second_run_has_nothing_to_do() {
    QUICKSTART.is_whole();
    let streams = QUICKSTART.summary["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 5);
    assert!(streams.iter().all(|stream| count(&stream["counts"], "duplicate") > 0), "each export sends rows twice");
    assert!(QUICKSTART.summary["customer"]["attributed"].get("order").is_some());

    let again = tributary(&repository(), &["run", QUICKSTART.pipeline.to_str().unwrap()]).ends(0);
    assert_eq!(again.out, "nothing new\n");
    // The questions of the README.
    let segments = "select segment, count(*) as customers from mart.rfm group by segment order by 2 desc";
    assert!(QUICKSTART.query(segments).len() > 3);
    let top = "select customer_id, name, phone, records from customer.customer order by records desc limit 5";
    let top = QUICKSTART.query(top);
    assert_eq!(top.len(), 5);
    let lake = QUICKSTART.lake();
    let why =
        tributary(&repository(), &["why", lake.to_str().unwrap(), text(&top[0], "customer_id"), "--json"]).ends(0);
    let why = why.json();
    // Identifiers that only orders name are members as well, and no records.
    let records = why["records"].as_array().unwrap().iter().filter(|record| record["stub"] == "false").count();
    assert_eq!(records as i64, count(&top[0], "records"));
}

// CDNOW

/// Holds the purchases in the lake against those in the file, one by one.
fn purchases_are_those_of_the_file(sample: &Sample, file: &str, purchases: usize, customers: usize) {
    sample.is_whole();
    let mut expected = BTreeMap::<(String, String, i64), i64>::new();
    for row in table(file) {
        let day = format!("{}-{}-{}", &row["date"][..4], &row["date"][4..6], &row["date"][6..]);
        *expected.entry((row["customer_id"].clone(), day, units(&row["dollars"]).unwrap())).or_default() += 1;
    }
    assert_eq!(expected.values().sum::<i64>(), purchases as i64);
    assert!(expected.values().any(|&many| many > 1), "someone bought the same twice in a day");

    let rows = sample.query(
        "select i.value, o.business_date, o.amount, count(*) as many from clean.order o \
         join clean.event_identifier i on i.record_key = o.record_key and i.entity = 'order' group by 1, 2, 3",
    );
    let found: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let amount = units(text(row, "amount")).unwrap();
            ((text(row, "value").to_owned(), text(row, "business_date").to_owned(), amount), count(row, "many"))
        })
        .collect();
    assert!(found == expected, "purchases differ: {:?}", difference(&found, &expected));

    let counts = &sample.query(
        "select (select count(*) from clean.order) as orders, (select count(*) from customer.customer) as customers, \
         (select count(*) from mart.purchase_summary) as summaries, \
         count(*) as attributed, count(distinct customer_id) as buyers from customer.attribution",
    )[0];
    let of = |name: &str| count(counts, name) as usize;
    assert_eq!((of("orders"), of("attributed")), (purchases, purchases));
    assert_eq!((of("customers"), of("buyers"), of("summaries")), (customers, customers, customers));
}

/// A few of the entries that are not the same in both.
fn difference<K: Ord + Clone, V: PartialEq + Copy>(
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
) -> Vec<(K, Option<V>, Option<V>)> {
    let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
    let apart = keys.into_iter().filter(|key| a.get(key) != b.get(key));
    apart.take(5).map(|key| (key.clone(), a.get(key).copied(), b.get(key).copied())).collect()
}

#[test]
fn the_sample_of_cdnow_gives_the_published_summary() {
    let sample = Sample::run("cdnow");
    purchases_are_those_of_the_file(&sample, "cdnow/sample.csv", 6_919, 2_357);

    let sample_ids: HashMap<_, i64> = table("cdnow/sample.csv")
        .into_iter()
        .map(|row| (row["customer_id"].clone(), row["sample_id"].parse().unwrap()))
        .collect();
    let expected: BTreeMap<i64, [Option<i64>; 3]> = table("cdnow/cdnow_customers_summary.csv")
        .iter()
        .map(|row| (row["ID"].parse().unwrap(), ["frequency", "recency", "T"].map(|name| units(&row[name]))))
        .collect();
    let rows = sample.query(
        "select i.value, s.frequency, s.recency_weeks, s.t_weeks from mart.purchase_summary s \
         join (select distinct a.customer_id, i.value from customer.attribution a \
         join clean.event_identifier i on i.record_key = a.record_key) i on i.customer_id = s.customer_id",
    );
    assert_eq!(rows.len(), 2_357);
    let found: BTreeMap<i64, [Option<i64>; 3]> = rows
        .iter()
        .map(|row| {
            let weeks = |name: &str| units(text(row, name));
            let frequency = count(row, "frequency") * 10_000;
            (sample_ids[text(row, "value")], [Some(frequency), weeks("recency_weeks"), weeks("t_weeks")])
        })
        .collect();
    assert_eq!(found.len(), 2_357);
    assert!(found == expected, "summaries differ: {:?}", difference(&found, &expected));
}

#[test]
fn all_of_cdnow_comes_through() {
    purchases_are_those_of_the_file(&Sample::run("cdnow_master"), "cdnow/master.csv", 69_659, 23_570);
}

// The Complete Journey

#[test]
fn the_complete_journey_keeps_every_cent() {
    let sample = Sample::run("completejourney");
    sample.is_whole();
    let rows = table("completejourney/transactions_sample.csv");
    let amounts: Vec<Option<i64>> = rows.iter().map(|row| units(&row["sales_value"])).collect();
    let discounts: i64 = rows.iter().map(|row| units(&row["retail_disc"]).unwrap()).sum();
    // One line costs 4.440892e-16: that is no sum of money, so the line has none, and the text is kept.
    let odd: Vec<_> =
        rows.iter().zip(&amounts).filter(|(_, units)| units.is_none()).map(|(row, _)| &row["sales_value"]).collect();
    assert_eq!(odd, ["4.440892e-16"]);

    let sums = &sample.query(
        "select sum(amount) as amount, sum(discount) as discount, count(amount) as priced, count(*) as lines, \
         (select count(*) from clean.order) as orders, \
         (select count(distinct customer_id) from customer.attribution where entity = 'order') as buyers \
         from clean.order_line",
    )[0];
    assert_eq!(units(text(sums, "amount")), Some(amounts.iter().flatten().sum()));
    assert_eq!(units(text(sums, "discount")), Some(discounts));
    assert_eq!((count(sums, "lines"), count(sums, "priced")), (rows.len() as i64, rows.len() as i64 - 1));
    let kept = sample.query("select _extra from raw.tills_lines where _extra is not null");
    assert_eq!(kept, [serde_json::json!({ "_extra": "{\"sales_value\":\"4.440892e-16\"}" })]);
    let tills = scenes::stream(&sample.summary, "tills");
    assert_eq!(tills["misfits"], serde_json::json!({ "sales_value": 1 }));

    let baskets: BTreeSet<&str> = rows.iter().map(|row| row["basket_id"].as_str()).collect();
    assert_eq!(count(sums, "orders"), baskets.len() as i64, "a basket is an order");
    let households: BTreeSet<&str> = rows.iter().map(|row| row["household_id"].as_str()).collect();
    assert_eq!(count(sums, "buyers"), households.len() as i64, "a household is a customer");
}
