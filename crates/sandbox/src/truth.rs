//! `truth/`: which record and which order belongs to which person, and what that person truly is; written, and read back.
//!
//! Three plain CSV files, UTF-8, LF, nothing ever quoted: no field holds a comma. Persons are numbered from 1. A record is
//! listed once, however often its row was sent. Answers of the survey are no party records and not listed. Scoring is left
//! to the reader.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::output::Output;
use crate::people::{Person, card_no, ouid};
use crate::{Config, Error, FileCount, Summary};

const RECORDS: &str = "truth/records.csv";
const ORDERS: &str = "truth/orders.csv";
const PEOPLE: &str = "truth/people.csv";

const RECORDS_HEADER: &str = "source,stream,record_id,person";
const ORDERS_HEADER: &str = "source,stream,order_no,person";
const PEOPLE_HEADER: &str = "person,name,phone,email,birthday,member_no,ouid";

/// Which record and which order is whose. Streams are named as a pipeline names them: `stores.members`, `crm.contacts`;
/// `stores.tickets`, `shop.orders`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Stream, then record id (card number, contact id) to person.
    pub records: BTreeMap<String, HashMap<String, u32>>,
    /// Stream, then order number to person; `None` where nothing on the order tells.
    pub orders: BTreeMap<String, HashMap<String, Option<u32>>>,
    /// The people by their number.
    pub people: BTreeMap<u32, TruePerson>,
}

/// A person's clean values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruePerson {
    /// As written, without any suffix.
    pub name: String,
    /// Eleven digits; no other person's.
    pub phone: String,
    /// No other person's.
    pub email: String,
    /// The day of birth.
    pub birthday: NaiveDate,
    /// The first member card; a second one is found in [`Truth::records`].
    pub member_no: Option<String>,
    /// The web shop's name for the buyer.
    pub ouid: Option<String>,
}

/// What each person truly is, by number.
pub(crate) fn true_people(config: &Config, people: &[Person]) -> BTreeMap<u32, TruePerson> {
    let one = |(index, person): (u32, &Person)| {
        let clean = TruePerson {
            name: person.name.text.clone(),
            phone: person.phone.to_string(),
            email: person.email.clone(),
            birthday: person.birthday,
            member_no: person.member.then(|| card_no(config, index, false)),
            ouid: person.buyer.then(|| ouid(config, index)),
        };
        (index + 1, clean)
    };
    (0..).zip(people).map(one).collect()
}

/// Reads `truth/` below `folder`, as [`write()`](crate::write()) left it.
///
/// # Errors
///
/// [`Error::Read`] when a file cannot be read, [`Error::Truth`] with the line when it is not one that this crate wrote.
pub fn read_truth(folder: &Path) -> Result<Truth, Error> {
    let mut truth = Truth::default();
    read(folder, RECORDS, RECORDS_HEADER, |[source, stream, id, person]| {
        let person = person.parse().map_err(|_| "`person` is no number")?;
        truth.records.entry(format!("{source}.{stream}")).or_default().insert(id.to_owned(), person);
        Ok(())
    })?;
    read(folder, ORDERS, ORDERS_HEADER, |[source, stream, order_no, person]| {
        let person = given(person).map(str::parse).transpose().map_err(|_| "`person` is no number")?;
        truth.orders.entry(format!("{source}.{stream}")).or_default().insert(order_no.to_owned(), person);
        Ok(())
    })?;
    read(folder, PEOPLE, PEOPLE_HEADER, |[person, name, phone, email, birthday, member_no, ouid]| {
        let person = person.parse().map_err(|_| "`person` is no number")?;
        let clean = TruePerson {
            name: name.to_owned(),
            phone: phone.to_owned(),
            email: email.to_owned(),
            birthday: birthday.parse().map_err(|_| "`birthday` is no date")?,
            member_no: given(member_no).map(str::to_owned),
            ouid: given(ouid).map(str::to_owned),
        };
        truth.people.insert(person, clean);
        Ok(())
    })?;
    Ok(truth)
}

fn given(field: &str) -> Option<&str> {
    (!field.is_empty()).then_some(field)
}

/// Hands each row of a truth file to `row`, in fields.
fn read<const N: usize>(
    folder: &Path,
    path: &str,
    header: &str,
    mut row: impl FnMut([&str; N]) -> Result<(), &'static str>,
) -> Result<(), Error> {
    let path: PathBuf = folder.join(path);
    let file = File::open(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|source| Error::Read { path: path.clone(), source })?;
        let wrong = |reason| Error::Truth { path: path.clone(), line: number, reason };
        if number == 1 {
            if line != header {
                return Err(wrong("another header than expected"));
            }
            continue;
        }
        let fields: Vec<&str> = line.split(',').collect();
        let fields =
            <[&str; N]>::try_from(fields).map_err(|_| wrong("another number of fields than the header has"))?;
        row(fields).map_err(wrong)?;
    }
    Ok(())
}

/// `truth/records.csv`, being written.
#[derive(Debug)]
pub(crate) struct RecordsFile {
    file: Output,
    rows: u64,
}

impl RecordsFile {
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        Ok(Self { file: start(folder, RECORDS, RECORDS_HEADER)?, rows: 0 })
    }

    /// Notes whose record this is.
    pub(crate) fn record(&mut self, source: &str, stream: &str, id: &str, person: u32) -> Result<(), Error> {
        self.rows += 1;
        self.file.bytes(format!("{source},{stream},{id},{}\n", person + 1).as_bytes())
    }

    pub(crate) fn finish(self, summary: &mut Summary) -> Result<(), Error> {
        summary.file(RECORDS, FileCount { rows: self.rows, resent: 0, bytes: self.file.finish()? });
        Ok(())
    }
}

/// `truth/orders.csv`, being written.
#[derive(Debug)]
pub(crate) struct OrdersFile {
    file: Output,
    rows: u64,
}

impl OrdersFile {
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        Ok(Self { file: start(folder, ORDERS, ORDERS_HEADER)?, rows: 0 })
    }

    /// Notes whose order this is; `None` if nothing on it tells.
    pub(crate) fn order(&mut self, source: &str, stream: &str, number: &str, person: Option<u32>) -> Result<(), Error> {
        self.rows += 1;
        let person = person.map_or_else(String::new, |person| (person + 1).to_string());
        self.file.bytes(format!("{source},{stream},{number},{person}\n").as_bytes())
    }

    pub(crate) fn finish(self, summary: &mut Summary) -> Result<(), Error> {
        summary.file(ORDERS, FileCount { rows: self.rows, resent: 0, bytes: self.file.finish()? });
        Ok(())
    }
}

/// Writes `truth/people.csv`.
pub(crate) fn write_people(
    folder: &Path,
    config: &Config,
    people: &[Person],
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut file = start(folder, PEOPLE, PEOPLE_HEADER)?;
    for (number, person) in true_people(config, people) {
        let (member_no, ouid) = (person.member_no.unwrap_or_default(), person.ouid.unwrap_or_default());
        let TruePerson { name, phone, email, .. } = person;
        let birthday = person.birthday.format("%Y-%m-%d");
        file.bytes(format!("{number},{name},{phone},{email},{birthday},{member_no},{ouid}\n").as_bytes())?;
    }
    summary.file(PEOPLE, FileCount { rows: people.len() as u64, resent: 0, bytes: file.finish()? });
    Ok(())
}

fn start(folder: &Path, path: &str, header: &str) -> Result<Output, Error> {
    let mut file = Output::create(folder, path)?;
    file.bytes(header.as_bytes())?;
    file.bytes(b"\n")?;
    Ok(file)
}
