//! `stores/members.csv`: the members as the stores' system exports them.
//!
//! GB18030, CRLF, two title rows, a header with brackets, a total row whose count is of all rows printed, re-sent ones
//! included. Dates come as tills write them. The tickets are in `tickets`.

use std::convert::Infallible;
use std::path::Path;

use chrono::{Datelike, NaiveDate};
use rand::RngExt;

use crate::chance::{Dice, Purpose, dice, pick};
use crate::names::Names;
use crate::noise::{NameFault, PhoneFault};
use crate::output::{CsvLine, Output, Repeats};
use crate::parties::{Parties, Party};
use crate::people::{Person, card_no};
use crate::phones::{Phones, masked};
use crate::places::STORES;
use crate::summary::NoiseCounts;
use crate::truth::RecordsFile;
use crate::{Config, Error, FileCount, Summary};

const PATH: &str = "stores/members.csv";
#[rustfmt::skip]
const HEADER: &[&str] =
    &["会员卡号", "姓名(必填)", "手机号码", "电子邮箱", "性别", "出生日期", "地址", "开卡门店", "开卡日期", "状态", "更新时间"];

#[expect(clippy::too_many_arguments, reason = "the whole world goes in, and two files and the counts come out")]
pub(crate) fn write(
    folder: &Path,
    config: &Config,
    people: &[Person],
    parties: &Parties,
    names: &Names,
    phones: &mut Phones,
    records: &mut RecordsFile,
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut dice = dice(config.seed, Purpose::Members);
    let mut file = Output::create(folder, PATH)?;
    let mut repeats = Repeats::default();
    file.gb18030("门店会员资料导出\r\n")?;
    file.gb18030(&format!("导出时间: {} 23:30:00\r\n", config.as_of.format("%Y/%m/%d")))?;
    file.gb18030(&CsvLine::default().fields(HEADER.iter().copied()).end("\r\n"))?;
    for party in &parties.members {
        let card = card_no(config, party.person, party.second_card);
        records.record("stores", "members", &card, party.person)?;
        let line = row(&mut dice, &people[party.person as usize], party, &card, names, phones, &mut summary.noise);
        repeats.offer(&mut dice, line, |line| file.gb18030(line))?;
    }
    let count = repeats.finish(|line| file.gb18030(line))?;
    let rows = count.rows.to_string();
    let total = ["合计", "", &rows].into_iter().chain(std::iter::repeat_n("", HEADER.len() - 3));
    file.gb18030(&CsvLine::default().fields(total).end("\r\n"))?;
    summary.file(PATH, FileCount { bytes: file.finish()?, ..count });
    Ok(())
}

/// Takes the phones that the file takes (wrong digits are nobody's), for those who want what is drawn after it.
pub(crate) fn take_phones(config: &Config, people: &[Person], parties: &Parties, names: &Names, phones: &mut Phones) {
    let mut dice = dice(config.seed, Purpose::Members);
    let mut repeats = Repeats::default();
    let mut noise = NoiseCounts::default();
    for party in &parties.members {
        row(&mut dice, &people[party.person as usize], party, "", names, phones, &mut noise);
        let Ok(()) = repeats.offer(&mut dice, (), |()| Ok::<(), Infallible>(()));
    }
}

fn row(
    dice: &mut Dice,
    person: &Person,
    party: &Party,
    card: &str,
    names: &Names,
    phones: &mut Phones,
    noise: &mut NoiseCounts,
) -> String {
    let faults = &party.faults;
    let mut name = faults.name(dice, names, &person.name, person.female);
    if faults.name != NameFault::Masked && !person.name.is_latin() && dice.random_bool(0.04) {
        noise.name_suffixes += 1;
        name.push_str(if person.female { "女士" } else { "先生" });
    }
    let phone = match faults.phone {
        PhoneFault::None => person.phone.to_string(),
        PhoneFault::Missing => String::new(),
        PhoneFault::Masked => masked(person.phone),
        PhoneFault::WrongDigit => phones.wrong_digit(dice, person.phone).to_string(),
        PhoneFault::Till(other) | PhoneFault::Recycled(other) => other.to_string(),
    };
    let gender = if person.female { "女" } else { "男" };
    let birthday = faults.birthday(person.birthday).map_or_else(String::new, |date| till_date(dice, date));
    let address = if dice.random_bool(0.3) { String::new() } else { person.home.one_line(dice) };
    let status = match dice.random_range(0..100) {
        0..2 => "冻结",
        2..6 => "注销",
        _ => "正常",
    };
    CsvLine::default()
        .field(card)
        .field(&name)
        .field(&phone)
        .field(if faults.email_missing { "" } else { &person.email })
        .field(if dice.random_bool(0.05) { "" } else { gender })
        .field(&birthday)
        .field(&address)
        .field(pick(dice, STORES))
        .field(&till_date(dice, party.created.date()))
        .field(status)
        .field(&party.modified.format("%Y/%m/%d %H:%M:%S").to_string())
        .end("\r\n")
}

/// `1990-03-07`, `1990/3/7` or `19900307`.
fn till_date(dice: &mut Dice, date: NaiveDate) -> String {
    match dice.random_range(0..4) {
        0 => format!("{}/{}/{}", date.year(), date.month(), date.day()),
        1 => date.format("%Y%m%d").to_string(),
        _ => date.format("%Y-%m-%d").to_string(),
    }
}
