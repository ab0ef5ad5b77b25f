//! The fixed noise, measured in the files against the truth.

use std::collections::{BTreeMap, HashMap, HashSet};

use tributary_sandbox::TruePerson;

use crate::{read, world};

/// A party record as a file shows it, in one form for both systems.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    of_stores: bool,
    person: u32,
    name: String,
    phone: String,
    email: String,
    birthday: String,
    modified: String,
}

/// Each record once.
fn records() -> Vec<Record> {
    let (world, mut seen) = (world(), HashMap::new());
    let members = read::gb18030(&world.folder.join("stores/members.csv"));
    let members = members[3..members.len() - 1].iter().map(|row| (true, "stores.members", row, [1, 2, 3, 5, 10]));
    let contacts = read::utf8_with_mark(&world.folder.join("crm/contacts.csv"));
    let contacts = contacts[1..].iter().map(|row| (false, "crm.contacts", row, [3, 4, 5, 7, 13]));
    for (of_stores, stream, row, [name, phone, email, birthday, modified]) in members.chain(contacts) {
        let phone: String = row[phone].trim_start_matches("+86").replace(['-', ' '], "");
        let digits: String = row[birthday].chars().filter(char::is_ascii_digit).collect();
        let birthday = match row[birthday].split('/').collect::<Vec<_>>()[..] {
            [year, month, day] => format!("{year}{month:0>2}{day:0>2}"),
            _ => digits,
        };
        let record = Record {
            of_stores,
            person: world.truth.records[stream][&row[0]],
            name: row[name].trim_end_matches("先生").trim_end_matches("女士").to_owned(),
            phone,
            email: row[email].clone(),
            birthday,
            modified: row[modified].replace('/', "-"),
        };
        let same = seen.entry((of_stores, row[0].clone())).or_insert_with(|| record.clone());
        assert_eq!(*same, record, "a row that comes again differs");
    }
    seen.into_values().collect()
}

fn person(record: &Record) -> &'static TruePerson {
    &world().truth.people[&record.person]
}

fn assert_rate(what: &str, found: usize, of: usize, rate: f64) {
    let share = found as f64 / of as f64;
    let deviation = (rate * (1.0 - rate) / of as f64).sqrt();
    assert!((share - rate).abs() < 5.0 * deviation, "{what}: {share:.4} of {of} instead of {rate}");
}

fn differs_in_one_digit(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).filter(|(left, right)| left != right).count() == 1
}

#[test]
fn names_have_their_share_of_typos_and_masks() {
    let records = records();
    let (mut typos, mut masked, mut pinyin) = (0, 0, 0);
    for record in &records {
        let truth = &person(record).name;
        if record.name.contains('*') {
            masked += 1;
            assert_eq!(record.name.chars().next(), truth.chars().next());
        } else if record.name.is_ascii() && !truth.is_ascii() {
            pinyin += 1;
        } else if record.name != *truth {
            typos += 1;
            let wrong = record.name.chars().zip(truth.chars()).filter(|(left, right)| left != right).count();
            assert!(record.name.chars().count() == truth.chars().count() && (1..=2).contains(&wrong));
        }
    }
    assert_rate("typos", typos, records.len(), 0.10);
    assert_rate("masked names", masked, records.len(), 0.03);
    let noise = world().summary.noise;
    assert_eq!((typos as u64, masked as u64, pinyin), (noise.name_typos, noise.names_masked, noise.names_in_pinyin));
    assert_eq!(records.len() as u64, noise.party_records);
}

#[test]
fn phones_have_their_share_of_each_fault() {
    let owners: HashMap<&str, u32> =
        world().truth.people.iter().map(|(&number, person)| (person.phone.as_str(), number)).collect();
    assert_eq!(owners.len(), 20_000, "phones are unique");
    let records = records();
    let (mut missing, mut masked, mut wrong) = (0, 0, Vec::new());
    let mut tills: BTreeMap<&str, HashSet<u32>> = BTreeMap::new();
    let mut recycled: HashMap<u32, &Record> = HashMap::new();
    for record in &records {
        let (shown, own) = (record.phone.as_str(), person(record).phone.as_str());
        if shown.is_empty() {
            missing += 1;
        } else if shown.contains('*') {
            masked += 1;
            assert_eq!(shown, format!("{}****{}", &own[..3], &own[7..]));
        } else if let Some(&owner) = owners.get(shown) {
            if owner != record.person {
                assert!(recycled.insert(owner, record).is_none(), "a phone was recycled twice");
            }
        } else if differs_in_one_digit(shown, own) {
            wrong.push(shown);
        } else {
            assert!(record.of_stores);
            assert!(tills.entry(shown).or_default().insert(record.person));
        }
    }
    assert_rate("missing phones", missing, records.len(), 0.15);
    assert_rate("masked phones", masked, records.len(), 0.05);
    assert_rate("wrong digits", wrong.len(), records.len(), 0.08);
    assert_eq!(wrong.iter().collect::<HashSet<_>>().len(), wrong.len(), "two records share a wrong phone");
    assert!(wrong.iter().all(|phone| !tills.contains_key(phone)));
    assert_eq!(tills.len(), 5);
    assert_eq!(tills.values().map(HashSet::len).sum::<usize>(), 600, "3 % of the people");
    assert_eq!(recycled.len(), 400, "2 % of the people");
    // What shows the phone for its old holder is older than whatever its new holder has.
    for record in &records {
        if let Some(old) = recycled.get(&record.person).filter(|_| record.phone == person(record).phone) {
            assert!(old.modified < record.modified, "{} {}", old.modified, record.modified);
        }
    }
}

#[test]
fn emails_and_birthdays_have_their_share_of_gaps_and_swaps() {
    let records = records();
    let (mut no_email, mut no_birthday, mut swapped) = (0, 0, 0);
    for record in &records {
        let truth = person(record);
        no_email += usize::from(record.email.is_empty());
        assert!(record.email.is_empty() || record.email == truth.email);
        let right = truth.birthday.format("%Y%m%d").to_string();
        if record.birthday.is_empty() {
            no_birthday += 1;
        } else if record.birthday != right {
            swapped += 1;
            assert_eq!(record.birthday, truth.birthday.format("%Y%d%m").to_string());
        }
    }
    assert_rate("missing e-mails", no_email, records.len(), 0.45);
    assert_rate("missing birthdays", no_birthday, records.len(), 0.30);
    assert_rate("swapped birthdays", swapped, records.len(), 0.05);
}

#[test]
fn people_live_in_the_systems_in_their_shares() {
    let world = world();
    let holders = |stream: &str| world.truth.records[stream].values().collect::<HashSet<_>>().len();
    let members = world.truth.people.values().filter(|person| person.member_no.is_some()).count();
    assert_eq!(holders("stores.members"), members);
    assert_rate("members", members, 20_000, 0.70);
    assert_rate("contacts", holders("crm.contacts"), 20_000, 0.50);
    assert_rate("buyers", world.truth.people.values().filter(|person| person.ouid.is_some()).count(), 20_000, 0.40);
    assert_eq!(world.truth.records["stores.members"].len() - members, 400, "2 % of the people have a second card");
    let known: HashSet<_> = world.truth.records.values().flat_map(HashMap::values).collect();
    let buyers = world.truth.people.iter().filter(|(_, person)| person.ouid.is_some()).map(|(number, _)| number);
    assert_eq!(known.into_iter().chain(buyers).collect::<HashSet<_>>().len(), 20_000, "each person is known somewhere");
}

#[test]
fn rows_come_again_in_every_file() {
    for (path, count) in &world().summary.files {
        if !path.starts_with("truth/") {
            assert_rate(path, count.resent as usize, (count.rows - count.resent) as usize, 0.03);
        }
    }
}
