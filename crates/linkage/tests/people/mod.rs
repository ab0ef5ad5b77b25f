//! Made-up persons, several records of each, with typos and gaps.

use tributary_linkage::{Builder, Features, Party};

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Person {
    pub key: u64,
    pub person: u32,
    pub source: u32,
    pub name: String,
    pub phone: String,
    pub email: String,
    pub birthday: String,
    pub city: String,
    pub street: String,
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % most
    }
}

const FAMILY: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗";
const GIVEN: &str = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂华玉兰文斌宇浩轩梓涵子欣怡晨俊佳雨";
const CITIES: [&str; 5] = ["杭州市", "上海市", "北京市", "广州市", "成都市"];

/// So many records of two fifths as many persons.
pub fn people(records: usize, seed: u64) -> Vec<Person> {
    let mut random = Random(seed << 32);
    let pick = |random: &mut Random, from: &str| {
        let at = random.below(from.chars().count() as u64) as usize;
        from.chars().nth(at).unwrap_or_default()
    };
    let whole: Vec<Person> = (0..records * 2 / 5)
        .map(|number| {
            let name = [pick(&mut random, FAMILY), pick(&mut random, GIVEN), pick(&mut random, GIVEN)];
            let phone = 13_000_000_000 + random.below(900_000_000);
            Person {
                person: number as u32,
                name: name.iter().collect(),
                phone: phone.to_string(),
                email: format!("u{}@qq.com", phone % 10_000_019),
                birthday: format!(
                    "{}-{:02}-{:02}",
                    1950 + random.below(60),
                    1 + random.below(12),
                    1 + random.below(28)
                ),
                city: CITIES[random.below(5) as usize].to_owned(),
                street: format!("文三路{}号", 1 + random.below(999)),
                ..Person::default()
            }
        })
        .collect();
    (0..records)
        .map(|number| {
            let mut person = whole[random.below(whole.len() as u64) as usize].clone();
            person.key = (number as u64 + 1 + (seed << 20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            person.source = random.below(3) as u32;
            if random.below(10) == 0 {
                person.name = person.name.chars().take(2).chain([pick(&mut random, GIVEN)]).collect();
            }
            match random.below(10) {
                0 => person.phone.clear(),
                1 => person.phone.replace_range(3..7, "****"),
                2 => person.phone.replace_range(9..10, "7"),
                _ => {}
            }
            if random.below(2) == 0 {
                person.email.clear();
            }
            if random.below(3) == 0 {
                person.birthday.clear();
            }
            if random.below(3) == 0 {
                (person.city, person.street) = Default::default();
            }
            person
        })
        .collect()
}

pub fn features(people: &[Person]) -> Features {
    let mut builder = Builder::new(1, &[]);
    for person in people {
        builder.push(&Party {
            key: person.key,
            source: person.source,
            name: Some(&person.name),
            phone: Some(&person.phone),
            email: Some(&person.email),
            birthday: Some(&person.birthday),
            city: Some(&person.city),
            street: Some(&person.street),
            ..Party::default()
        });
    }
    builder.finish()
}
