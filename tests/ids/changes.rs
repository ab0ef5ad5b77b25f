//! Small changes of a lake, at random: merging what has changed gives what merging everything would.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use super::support::{Folder, Row, replaced};
use super::{PIPELINE, text};

/// As good as chance, and the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const FAMILY: [&str; 16] =
    ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "欧阳"];
const GIVEN: [&str; 20] = [
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "晓明", "志强", "秀英", "建华", "文博", "雨桐", "子涵",
    "佳怡", "浩然", "欣怡",
];
const CITIES: [&str; 6] = ["杭州市", "上海市", "南京市", "北京市", "成都市", "广州市"];

#[derive(Clone)]
struct Person {
    name: String,
    phone: String,
    city: String,
    birthday: String,
    email: String,
}

/// Rows of the three sources, by key.
#[derive(Clone, Default)]
struct World {
    members: BTreeMap<String, Person>,
    contacts: BTreeMap<String, Person>,
    orders: BTreeMap<String, String>,
    /// Members that are gone, and may come back.
    gone: Vec<(String, Person)>,
}

fn phone(chance: &mut Chance) -> String {
    format!("1{}{:09}", chance.one_of(&["38", "39", "57", "86"]), chance.below(999_983) * 997 % 1_000_000_000)
}

fn person(chance: &mut Chance) -> Person {
    let (year, month, day) = (1955 + chance.below(50), 1 + chance.below(12), 1 + chance.below(28));
    Person {
        name: format!("{}{}", chance.one_of(&FAMILY), chance.one_of(&GIVEN)),
        phone: phone(chance),
        city: chance.one_of(&CITIES).to_owned(),
        birthday: format!("{year}-{month:02}-{day:02}"),
        email: format!("user{}@mail.example.cn", chance.below(100_000)),
    }
}

impl World {
    fn new(chance: &mut Chance) -> Self {
        let mut world = Self::default();
        for at in 0..260 {
            let person = person(chance);
            world.members.insert(format!("M{at}"), person.clone());
            // Most are in the other source too, not always with all they have.
            if chance.below(10) < 7 {
                let mut other = person.clone();
                match chance.below(4) {
                    0 => other.phone = phone(chance),
                    1 => other.phone.clear(),
                    2 => other.birthday.clear(),
                    _ => {}
                }
                world.contacts.insert(format!("C{at}"), other);
            }
            if chance.below(3) == 0 {
                world.orders.insert(format!("S{at}"), person.phone);
            }
        }
        for key in ["MA", "MX"] {
            world.members.insert(key.to_owned(), person(chance));
        }
        world.contacts.insert("CX".to_owned(), person(chance));
        world
    }

    /// What is sure to happen: two customers become one, and two again; one is gone.
    fn events(&mut self, chance: &mut Chance, step: usize) {
        match step {
            1 => _ = self.contacts.insert("CX".to_owned(), self.members["MX"].clone()),
            2 => _ = self.contacts.insert("CX".to_owned(), person(chance)),
            3 => _ = self.members.remove("MA"),
            _ => {}
        }
    }

    /// Something happens to some records; what they are changed to is often what others have.
    fn change(&mut self, chance: &mut Chance, step: usize) {
        for at in 0..12 {
            let all: Vec<Person> = self.members.values().chain(self.contacts.values()).cloned().collect();
            let other = all[chance.below(all.len())].clone();
            let members = chance.below(2) == 0;
            let new = format!("{}N{step}_{at}", if members { "M" } else { "C" });
            let rows = if members { &mut self.members } else { &mut self.contacts };
            let mut keys = rows.keys().filter(|key| !["MA", "MX", "CX"].contains(&key.as_str()));
            let key = keys.nth(chance.below(rows.len() - 2)).unwrap().clone();
            let row = rows.get_mut(&key).unwrap();
            match chance.below(10) {
                0 => (row.name, row.phone) = (other.name, other.phone),
                1 => row.phone = phone(chance),
                2 => (row.name, row.birthday) = (other.name, other.birthday),
                3 => row.name.push('华'),
                4 => row.email = other.email,
                5 => {
                    let row = rows.remove(&key).unwrap();
                    if members {
                        self.gone.push((key, row));
                    }
                }
                6 => _ = rows.insert(new, other),
                7 => _ = rows.insert(new, person(chance)),
                8 => self.members.extend(self.gone.pop()),
                _ => row.city = other.city,
            }
            let phones: Vec<String> =
                all.into_iter().map(|person| person.phone).filter(|phone| !phone.is_empty()).collect();
            let order = self.orders.keys().nth(chance.below(self.orders.len())).unwrap().clone();
            match chance.below(4) {
                0 => _ = self.orders.insert(format!("SN{step}_{at}"), phones[chance.below(phones.len())].clone()),
                1 => _ = self.orders.insert(format!("SN{step}_{at}"), phone(chance)),
                2 => _ = self.orders.remove(&order),
                _ => _ = self.orders.insert(order, phones[chance.below(phones.len())].clone()),
            }
        }
    }

    fn write(&self, folder: &Folder) {
        let mut members = "card,name,phone,city,birthday,email,updated\n".to_owned();
        let mut contacts = "id,name,phone,email,birthday,city,updated\n".to_owned();
        let mut orders = "no,phone,at,amount\n".to_owned();
        for (key, Person { name, phone, city, birthday, email }) in &self.members {
            writeln!(members, "{key},{name},{phone},{city},{birthday},{email},2026-01-01 10:00:00").unwrap();
        }
        for (key, Person { name, phone, city, birthday, email }) in &self.contacts {
            writeln!(contacts, "{key},{name},{phone},{email},{birthday},{city},2026-02-01 10:00:00").unwrap();
        }
        for (key, phone) in &self.orders {
            writeln!(orders, "{key},{phone},2026-03-01 12:00:00,20.00").unwrap();
        }
        folder.write("members.csv", &members);
        folder.write("contacts.csv", &contacts);
        folder.write("orders.csv", &orders);
    }
}

fn pipeline(lake: &str, merge: &str) -> String {
    let text = replaced(PIPELINE, "lake = \"lake\"", &format!("lake = \"{lake}\""));
    let text = replaced(&text, "city      = \"city\"", "city      = \"city\"\nbirthday  = \"birthday\"");
    let text = replaced(
        &text,
        "record_id = \"id\"\nname      = \"name\"",
        "record_id = \"id\"\nname      = \"name\"\nbirthday  = \"birthday\"\ncity = \"city\"",
    );
    replaced(&text, "[merge.identifiers]\nphone = { strength = \"strong\" }\nemail = { strength = \"strong\" }", merge)
}

const TABLES: [&str; 5] =
    ["identity.member", "identity.edge", "identity.event", "customer.customer", "customer.attribution"];

fn rows(folder: &Folder, lake: &str, table: &str) -> Vec<String> {
    let told = |row: &Row| {
        let row = row.iter().filter(|(column, _)| *column != "run_id");
        row.map(|(column, value)| format!("{column}={value}")).collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<String> = folder.query(lake, &format!("select * from {table}")).iter().map(told).collect();
    rows.sort();
    rows
}

/// Plays a story twice, once with an index and once without, and holds the tables against each other after each step.
fn played(seed: u64, merge: &str, steps: usize, mut decides: impl FnMut(&Folder, &str, usize)) -> Vec<String> {
    let mut chance = Chance(seed);
    let mut world = World::new(&mut chance);
    let folder = Folder::new();
    folder.write("some.toml", &pipeline("some", merge));
    folder.write("all.toml", &pipeline("all", merge));
    let mut kinds = vec![];
    for step in 0..=steps {
        if step > 0 {
            world.change(&mut chance, step);
            world.events(&mut chance, step);
            fs::remove_dir_all(folder.path("all/match")).unwrap();
        }
        world.write(&folder);
        let run = |pipeline: &str| {
            let run = folder.tributary(&["run", pipeline, "--json"]).code(0).json();
            folder.assert_ledger(pipeline.trim_end_matches(".toml"), &run);
            run
        };
        let (some, all) = (run("some.toml"), run("all.toml"));
        let looked_at = |run: &serde_json::Value| run["identity"]["touched"].as_u64();
        assert_eq!(looked_at(&all), None, "step {step} of {seed}");
        assert_eq!(looked_at(&some).is_some(), step > 0, "step {step} of {seed}: {}", some["identity"]);
        for table in TABLES {
            let (some, all) = (rows(&folder, "some", table), rows(&folder, "all", table));
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|row| those.binary_search(row).is_err()).take(5).cloned().collect()
            };
            assert!(
                some == all,
                "{table} after step {step} of {seed}, {} and {} rows\nonly with an index: {:#?}\nonly without: {:#?}",
                some.len(),
                all.len(),
                only(&some, &all),
                only(&all, &some)
            );
        }
        for count in [
            "parties",
            "stubs",
            "shared",
            "customers",
            "stub_customers",
            "edges",
            "decided",
            "vetoed",
            "refused",
            "large",
            "events",
        ] {
            assert_eq!(some["identity"][count], all["identity"][count], "`{count}` after step {step} of {seed}");
        }
        for count in ["edges", "cut", "model"] {
            let of = |run: &serde_json::Value| run["identity"]["likely"][count].clone();
            assert_eq!(of(&some), of(&all), "likely `{count}` after step {step} of {seed}");
        }
        let of = folder.query("some", "select distinct kind from identity.event order by kind");
        kinds = of.iter().map(|row| text(row, "kind")).collect();
        for lake in ["some", "all"] {
            decides(&folder, lake, step);
        }
    }
    kinds
}

const STRONG: &str = "[merge.identifiers]\nphone = { strength = \"strong\" }\nemail = { strength = \"strong\" }";

#[test]
fn merging_what_has_changed_gives_what_merging_everything_gives() {
    // More than four: by then so much has been read that `clean` maps only what is new.
    let kinds = played(11, STRONG, 6, |_, _, _| {});
    for kind in ["created", "member_joined", "member_left", "member_moved", "merged", "retired", "split"] {
        assert!(kinds.iter().any(|there| there == kind), "`{kind}` is not among {kinds:?}");
    }
}

#[test]
fn so_it_is_with_constraints_and_decisions() {
    let merge = "[merge]\ndeduplicated = [\"crm\"]\n[merge.identifiers]\nphone = { strength = \"strong\" }\n\
                 email = { strength = \"strong\", unique = true }";
    played(12, merge, 2, |folder, lake, step| {
        // The same pair in both lakes: their keys are the same.
        let sql = "select a, b from identity.edge where kind in ('likely', 'certain') and b is not null order by a, b";
        let pairs = folder.query(lake, sql);
        let pair = &pairs[(step * 17) % pairs.len()];
        let verdict = if step % 2 == 0 { "--apart" } else { "--same" };
        folder.tributary(&["merge", "decide", lake, &text(pair, "a"), &text(pair, "b"), verdict]).code(0);
    });
}

#[test]
fn so_it_is_without_likeness() {
    played(13, &format!("[merge]\nlikely = false\n{STRONG}"), 2, |_, _, _| {});
}
