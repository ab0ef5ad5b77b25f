//! The files' shapes, and that their rows are those that the truth and the summary speak of.

use std::collections::{HashMap, HashSet};

use calamine::{Data, Reader, Xlsx, open_workbook};
use serde_json::Value;

use crate::{read, world};

fn cents(text: &str) -> i64 {
    text.replace(['.', ','], "").parse().unwrap()
}

#[test]
fn members_have_titles_a_header_and_a_total() {
    let world = world();
    let rows = read::gb18030(&world.folder.join("stores/members.csv"));
    assert_eq!(rows[0], ["门店会员资料导出"]);
    assert_eq!(rows[1], ["导出时间: 2026/06/30 23:30:00"]);
    assert_eq!(
        rows[2].join(","),
        "会员卡号,姓名(必填),手机号码,电子邮箱,性别,出生日期,地址,开卡门店,开卡日期,状态,更新时间"
    );
    let (total, data) = rows[3..].split_last().unwrap();
    assert_eq!(total.join(","), format!("合计,,{},,,,,,,,", data.len()));
    assert!(data.iter().all(|row| row.len() == 11));
    assert_eq!(data.len() as u64, world.summary.files["stores/members.csv"].rows);
    let cards: HashSet<_> = data.iter().map(|row| &row[0]).collect();
    assert_eq!(cards, world.truth.records["stores.members"].keys().collect());
    assert!(data.iter().any(|row| row[1].contains(['俓', '珅', '簗'])), "a second byte of `\\` or `|`");
    for status in ["正常", "冻结", "注销"] {
        assert!(data.iter().any(|row| row[9] == status), "{status}");
    }
}

#[test]
fn contacts_are_quoted_where_they_must_be() {
    let world = world();
    let rows = read::utf8_with_mark(&world.folder.join("crm/contacts.csv"));
    let header = "Contact Id,Last Name,First Name,Full Name,Mobile,Email,Gender,Date of Birth,Mailing Street,Mailing City,\
                  Mailing State,Member No,Created Time,Modified Time";
    assert_eq!(rows[0].join(","), header);
    assert!(rows.iter().all(|row| row.len() == 14));
    assert_eq!(rows.len() as u64 - 1, world.summary.files["crm/contacts.csv"].rows);
    let ids: HashSet<_> = rows[1..].iter().map(|row| &row[0]).collect();
    assert_eq!(ids, world.truth.records["crm.contacts"].keys().collect());
    assert!(ids.iter().all(|id| (18..=19).contains(&id.len())));
    assert!(rows.iter().any(|row| row[8].contains('\n')));
    for row in rows[1..].iter().filter(|row| !row[11].is_empty()) {
        assert_eq!(world.truth.records["stores.members"][&row[11]], world.truth.records["crm.contacts"][&row[0]]);
    }
}

#[test]
fn tickets_add_up_and_name_whom_the_truth_names() {
    let world = world();
    let phones: HashMap<&str, u32> =
        world.truth.people.iter().map(|(&number, person)| (person.phone.as_str(), number)).collect();
    let (mut people, mut seen, mut negative, mut grouped) = (HashMap::new(), HashSet::new(), 0, 0);
    for month in 1..=6 {
        let path = format!("stores/tickets_2026-0{month}.csv");
        let rows = read::gb18030(&world.folder.join(&path));
        assert_eq!(rows[0], [format!("门店销售小票明细 2026年0{month}月")]);
        let header = "小票号,行号,门店,收银员,销售时间,商品编码,商品名称,数量,单价,金额,支付方式,会员卡号,手机号码";
        assert_eq!(rows[1].join(","), header);
        let (total, data) = rows[2..].split_last().unwrap();
        assert_eq!(data.len() as u64, world.summary.files[&path].rows);
        let (mut quantity, mut amount) = (0, 0);
        for row in data {
            assert!(row.len() == 13 && row[4].starts_with(&format!("2026/0{month}/")));
            let (number, price, sum) = (row[7].parse::<i64>().unwrap(), cents(&row[8]), cents(&row[9]));
            assert_eq!(price * number, sum);
            quantity += number;
            amount += sum;
            negative += u32::from(sum < 0);
            grouped += u32::from(row[9].contains(','));
            let by_card = world.truth.records["stores.members"].get(&row[11]).copied();
            let by_phone = phones.get(row[12].as_str()).copied();
            assert!(by_card.is_none() || by_phone.is_none() || by_card == by_phone);
            people.insert(row[0].clone(), by_card.or(by_phone));
            seen.insert((row[0].clone(), row[1].clone()));
        }
        assert_eq!((total[0].as_str(), total[1].parse(), total[7].parse()), ("合计", Ok(data.len()), Ok(quantity)));
        assert_eq!((cents(&total[9]), total.len()), (amount, 13));
    }
    assert_eq!(people, world.truth.orders["stores.tickets"]);
    assert!(negative > 100 && grouped > 100 && people.values().any(Option::is_none), "{negative} {grouped}");
    let (printed, again): (u64, u64) = world
        .summary
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("stores/tickets"))
        .fold((0, 0), |(rows, resent), (_, count)| (rows + count.rows, resent + count.resent));
    assert_eq!(printed - again, seen.len() as u64);
    let members = world.truth.people.values().filter(|person| person.member_no.is_some()).count();
    assert!((1.15..1.30).contains(&(people.len() as f64 / members as f64)), "{} tickets", people.len());
}

#[test]
fn orders_keep_their_ids_and_add_up() {
    let world = world();
    let text = std::fs::read_to_string(world.folder.join("shop/orders.jsonl")).unwrap();
    let buyers: HashMap<&str, u32> =
        world.truth.people.iter().filter_map(|(&number, person)| Some((person.ouid.as_deref()?, number))).collect();
    let (mut people, mut clear) = (HashMap::new(), 0);
    for line in text.lines() {
        let order: Value = serde_json::from_str(line).unwrap();
        let id = order["order_id"].as_u64().unwrap();
        assert!(id > 1 << 53 && id.to_string().len() == 19);
        let person = buyers[order["buyer"]["ouid"].as_str().unwrap()];
        let mobile = order["receiver"]["mobile"].as_str().unwrap();
        if !mobile.contains('*') {
            clear += 1;
            assert_eq!(mobile, world.truth.people[&person].phone);
        }
        let money = |value: &Value| cents(value.as_str().unwrap());
        let lines: i64 = order["lines"].as_array().unwrap().iter().map(|line| money(&line["payment"])).sum();
        assert_eq!(lines + money(&order["post_fee"]), money(&order["payment"]));
        assert!(lines > 0 && order["created"].as_str() <= order["modified"].as_str());
        people.insert(id.to_string(), Some(person));
    }
    let rows = text.lines().count();
    assert_eq!(rows as u64, world.summary.files["shop/orders.jsonl"].rows);
    assert_eq!(people, world.truth.orders["shop.orders"]);
    assert!((0.45..0.55).contains(&(f64::from(clear) / rows as f64)));
}

#[test]
fn answers_are_a_workbook_with_real_dates() {
    let world = world();
    let mut book: Xlsx<_> = open_workbook(world.folder.join("survey/answers.xlsx")).unwrap();
    let sheet = book.worksheet_range("答卷").unwrap();
    let rows: Vec<_> = sheet.rows().collect();
    assert_eq!(rows[0][0], Data::String("顾客满意度调查答卷导出".to_owned()));
    let header: Vec<_> = rows[1].iter().map(ToString::to_string).collect();
    assert_eq!(header.join(","), "答卷编号,手机号,会员卡号,评分(0-10),满意度(1-5),意见,提交时间");
    let rows = &rows[2..];
    assert_eq!(rows.len() as u64, world.summary.files["survey/answers.xlsx"].rows);
    assert!(rows.iter().all(|row| matches!(row[6], Data::DateTime(_))));
    let text = rows.iter().filter(|row| matches!(row[1], Data::String(_))).count();
    let numbers = rows.iter().filter(|row| matches!(row[1], Data::Float(_) | Data::Int(_))).count();
    assert!(text > numbers * 5 && numbers > 0, "{text} {numbers}");
    let people = rows.iter().map(|row| row[0].to_string()).collect::<HashSet<_>>().len();
    assert!((4_700..5_300).contains(&people), "a quarter of the people: {people}");
}
