//! `survey/answers.xlsx`: a quarter of all people answered the survey, once each.
//!
//! One sheet: a title row, a header, then a row per answer. The time is a real Excel date, the phone text in most rows and a
//! number in some, as when somebody typed it. What an answer shows of its person is right, but may be little or nothing.
//! Bytes repeat because the workbook's own creation time is set; two builds with different compressors may differ.

use std::path::Path;

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use rand::RngExt;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::chance::{Dice, Purpose, dice, moment, pick};
use crate::output::{Repeats, file_path};
use crate::people::{Person, card_no};
use crate::tickets::first_day;
use crate::{Config, Error, FileCount, Summary};

const PATH: &str = "survey/answers.xlsx";
const HEADER: [&str; 7] = ["答卷编号", "手机号", "会员卡号", "评分(0-10)", "满意度(1-5)", "意见", "提交时间"];
#[rustfmt::skip]
const OPINIONS: &[&str] = &[
    "", "", "", "服务态度很好", "店员很热情，试衣方便", "排队太久", "物流慢，包装破损", "尺码偏小，退换麻烦", "价格比网店贵", "质量不错，会再来",
    "一般", "希望多一些大码", "收银员没有问我要会员卡", "很满意！", "停车不方便\n其他都好",
];

/// A phone as the cell holds it.
#[derive(Debug)]
enum Phone {
    None,
    Text(String),
    Number(u64),
}

#[derive(Debug)]
struct Answer {
    id: String,
    phone: Phone,
    card: Option<String>,
    score: u8,
    satisfaction: u8,
    opinion: &'static str,
    at: NaiveDateTime,
}

pub(crate) fn write(folder: &Path, config: &Config, people: &[Person], summary: &mut Summary) -> Result<(), Error> {
    let path = file_path(folder, PATH)?;
    let mut dice = dice(config.seed, Purpose::Answers);
    let count =
        workbook(config, &mut dice, people, &path).map_err(|source| Error::Workbook { path: path.clone(), source })?;
    let bytes = std::fs::metadata(&path).map_err(|source| Error::Write { path, source })?.len();
    summary.file(PATH, FileCount { bytes, ..count });
    Ok(())
}

fn workbook(config: &Config, dice: &mut Dice, people: &[Person], path: &Path) -> Result<FileCount, XlsxError> {
    let first = first_day(config.as_of).and_time(NaiveTime::MIN);
    let last = config.as_of.and_time(NaiveTime::MIN) + TimeDelta::hours(22);
    let mut times: Vec<(NaiveDateTime, u32)> = (0_u32..)
        .zip(people)
        .filter(|(_, person)| person.answers)
        .map(|(index, _)| (moment(dice, first, last), index))
        .collect();
    times.sort_unstable();

    let mut workbook = Workbook::new();
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&excel_time(last)?));
    let sheet = workbook.add_worksheet_with_low_memory()?;
    sheet.set_name("答卷")?;
    sheet.set_column_width(6, 20)?;
    sheet.write_string(0, 0, "顾客满意度调查答卷导出")?;
    for (column, title) in (0..).zip(HEADER) {
        sheet.write_string(1, column, title)?;
    }
    let time_format = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let mut row = 1;
    let mut emit = |answer: &Answer| {
        row += 1;
        write_answer(sheet, row, answer, &time_format)
    };
    let mut repeats = Repeats::default();
    for (number, (at, index)) in (1..).zip(times) {
        let answer = answer(config, dice, number, at, index, &people[index as usize]);
        repeats.offer(dice, answer, &mut emit)?;
    }
    let count = repeats.finish(&mut emit)?;
    workbook.save(path)?;
    Ok(count)
}

fn answer(config: &Config, dice: &mut Dice, number: u32, at: NaiveDateTime, index: u32, person: &Person) -> Answer {
    let satisfaction = pick(dice, &[1_u8, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5]);
    Answer {
        id: format!("DJ{number:07}"),
        phone: match dice.random_range(0..100) {
            0..15 => Phone::None,
            15..21 => Phone::Number(person.phone),
            _ => Phone::Text(person.phone.to_string()),
        },
        card: (person.member && dice.random_bool(0.4)).then(|| card_no(config, index, false)),
        score: (satisfaction * 2).saturating_sub(dice.random_range(0..3)),
        satisfaction,
        opinion: pick(dice, OPINIONS),
        at,
    }
}

/// Writes the cells of one row from left to right, as the low-memory mode of the writer wants it.
fn write_answer(sheet: &mut Worksheet, row: u32, answer: &Answer, time_format: &Format) -> Result<(), XlsxError> {
    sheet.write_string(row, 0, &answer.id)?;
    match &answer.phone {
        Phone::None => {}
        Phone::Text(phone) => {
            sheet.write_string(row, 1, phone)?;
        }
        // Eleven digits: exact in the double that an Excel cell is.
        Phone::Number(phone) => {
            sheet.write_number(row, 1, *phone as f64)?;
        }
    }
    if let Some(card) = &answer.card {
        sheet.write_string(row, 2, card)?;
    }
    sheet.write_number(row, 3, answer.score)?;
    sheet.write_number(row, 4, answer.satisfaction)?;
    if !answer.opinion.is_empty() {
        sheet.write_string(row, 5, answer.opinion)?;
    }
    sheet.write_datetime_with_format(row, 6, excel_time(answer.at)?, time_format)?;
    Ok(())
}

/// The same wall clock for Excel, which knows no zones.
fn excel_time(at: NaiveDateTime) -> Result<ExcelDateTime, XlsxError> {
    let date = ExcelDateTime::from_ymd(at.year() as u16, at.month() as u8, at.day() as u8)?;
    date.and_hms(at.hour() as u16, at.minute() as u8, at.second() as u8)
}
