//! Chinese addresses: province, city and district from the head, the rest is street.
//!
//! A full name is taken as it stands. A short one (`北京`, `南山`) begins many other words, so it must not be followed by
//! what continues one (`北京路`, `吉林大学`), and without a province before it must be followed by what confirms it.

use super::gazetteer::{Found, Gazetteer, Scope};
use super::{Address, is_han, squeezed};

/// What stands in a city's or district's place in GB/T 2260 and says nothing.
#[rustfmt::skip]
pub(super) const FILLERS: [&str; 7] = [
    "省直辖县级行政区划", "自治区直辖县级行政区划", "省直辖县级行政单位", "自治区直辖县级行政单位",
    "省直辖行政单位", "市辖区", "县",
];

/// After a short name these make it another word.
#[rustfmt::skip]
const CONTINUES: [&str; 34] = [
    "路", "街", "巷", "弄", "道", "大道", "大街", "环路", "大学", "学院", "大厦", "大酒店", "酒店", "饭店",
    "宾馆", "银行", "医院", "广场", "花园", "花苑", "小区", "公寓", "公馆", "商城", "商场", "中学", "小学",
    "高速", "门", "桥", "站", "港", "村", "庄",
];

/// Short names of cities that are ordinary words; alone they need a district after them.
const WORDS: [&str; 16] = [
    "东方", "中山", "朝阳", "海南", "海北", "海东", "海西", "安康", "大同", "长治", "新乡", "三明", "白山", "玉林",
    "文山", "和田",
];

pub(super) fn parse(text: &str) -> Address {
    let (text, postcode) = postcode(text);
    let gazetteer = Gazetteer::get();
    let (rest, country) = match ["中华人民共和国", "中国大陆", "中国"].iter().find_map(|name| text.strip_prefix(name))
    {
        Some(rest) if !continues(rest) => (skip(rest), true),
        _ => (text, false),
    };
    let mut head = Head::read(gazetteer, rest, country);
    // Exports that put three columns before a full address say it twice.
    if head.province.is_some() {
        let again = Head::read(gazetteer, head.rest, false);
        let agrees =
            |first: Option<usize>, second: Option<usize>| second.is_none() || first.is_none() || first == second;
        if again.province == head.province
            && again.spelled_province
            && agrees(head.city, again.city)
            && agrees(head.district, again.district)
        {
            head = Head { city: head.city.or(again.city), district: head.district.or(again.district), ..again };
        }
    }
    let name = |name: &'static str| Some(name.to_owned());
    let street = squeezed(head.rest.trim_matches(is_separator));
    Address {
        country: (country || head.province.is_some()).then(|| "CN".to_owned()),
        province: head.province.and_then(|id| name(gazetteer.provinces[id].name)),
        city: head.city.and_then(|id| name(gazetteer.cities[id].name)),
        district: head.district.and_then(|id| name(gazetteer.districts[id].name)),
        street: (!street.is_empty()).then_some(street),
        postcode: postcode.map(str::to_owned),
        masked: false,
    }
}

/// The levels read from the head of a text, and what follows them.
struct Head<'a> {
    province: Option<usize>,
    city: Option<usize>,
    district: Option<usize>,
    /// Whether the province stood there rather than follow from a city.
    spelled_province: bool,
    rest: &'a str,
}

impl<'a> Head<'a> {
    fn read(gazetteer: &Gazetteer, text: &'a str, china: bool) -> Head<'a> {
        let mut head = Head { province: None, city: None, district: None, spelled_province: false, rest: skip(text) };
        head.read_province(gazetteer);
        head.read_city(gazetteer, china);
        head.read_district(gazetteer);
        if let Some(city) = head.city {
            head.province.get_or_insert(gazetteer.cities[city].parent);
        }
        if let (Some(province), None) = (head.province, head.city) {
            head.city = gazetteer.own_city(province);
        }
        head
    }

    fn take(&mut self, len: usize) {
        self.rest = skip(&self.rest[len..]);
    }

    fn read_province(&mut self, gazetteer: &Gazetteer) {
        let Some(found) = gazetteer.province_at(self.rest) else { return };
        let tail = &self.rest[found.len..];
        // 吉林市 is a city, 北京路 a street, 海南州 in 青海.
        let longer = gazetteer.city_at(self.rest, None).is_some_and(|city| city.len > found.len);
        let municipality = gazetteer.own_city(found.id).is_some();
        if !found.full && ((longer && !municipality) || (continues(tail) && !self.confirmed(gazetteer, found, tail))) {
            return;
        }
        self.province = Some(found.id);
        self.spelled_province = true;
        self.take(found.len);
        self.skip_fillers(gazetteer);
    }

    /// Whether a city or district of the province follows by its full name, as in `福建南安市`.
    fn confirmed(&self, gazetteer: &Gazetteer, province: Found, tail: &str) -> bool {
        gazetteer.city_at(tail, Some(province.id)).is_some_and(|city| city.full)
            || gazetteer.district_at(tail, Scope::Province(province.id)).is_some_and(|(district, _)| district.full)
    }

    fn read_city(&mut self, gazetteer: &Gazetteer, china: bool) {
        let Some(found) = gazetteer.city_at(self.rest, self.province) else { return };
        let tail = &self.rest[found.len..];
        if !found.full {
            // 长沙县 and 大理市 are counties that begin like their city.
            let scope = self.province.map_or(Scope::Anywhere, Scope::Province);
            let county = gazetteer
                .district_at(self.rest, scope)
                .is_some_and(|(county, _)| county.full && county.len > found.len);
            let followed = gazetteer.district_at(skip(tail), Scope::City(found.id)).is_some();
            let ends = tail.is_empty() || tail.starts_with(is_separator);
            let word = WORDS.contains(&&self.rest[..found.len]);
            let believed = match self.province {
                Some(_) => followed || !continues(tail),
                None => followed || ends && !word || (china || !word) && !continues(tail),
            };
            if county || !believed {
                return;
            }
        }
        self.city = Some(found.id);
        // 青岛市南区 is 青岛 and 市南区.
        let stem = found.len - if self.rest[..found.len].ends_with('市') { '市'.len_utf8() } else { 0 };
        let of_city =
            gazetteer.district_at(&self.rest[stem..], Scope::City(found.id)).is_some_and(|(district, _)| district.full);
        self.take(if of_city { stem } else { found.len });
        self.skip_fillers(gazetteer);
    }

    fn read_district(&mut self, gazetteer: &Gazetteer) {
        let own = || self.province.and_then(|province| gazetteer.own_city(province));
        let scope = match (self.city.or_else(own), self.province) {
            (Some(city), _) => Scope::City(city),
            (None, Some(province)) => Scope::Province(province),
            (None, None) => Scope::Anywhere,
        };
        let Some((found, shared)) = gazetteer.district_at(self.rest, scope) else { return };
        let division = &gazetteer.districts[found.id];
        let tail = &self.rest[found.len..];
        // 市区, 城区 or 郊区 alone say nothing.
        if matches!(scope, Scope::Anywhere) && division.name.chars().count() < 3 {
            return;
        }
        let mut len = found.len;
        if !found.full {
            match ["新区", "区", "县", "市", "旗"].iter().find(|suffix| tail.starts_with(**suffix)) {
                // Written with another rank than today's: 番禺市, 南城区.
                Some(suffix) => len += suffix.len(),
                None if continues(tail) => return,
                None => {}
            }
        }
        self.district = Some(found.id);
        if !shared {
            self.city = Some(division.parent);
        }
        self.take(len);
    }

    fn skip_fillers(&mut self, gazetteer: &Gazetteer) {
        for filler in FILLERS {
            if let Some(rest) = self.rest.strip_prefix(filler) {
                let scope = self.province.map_or(Scope::Anywhere, Scope::Province);
                // 县 in 重庆市县云阳县 is a filler, a lone one is not.
                if filler != "县" || gazetteer.district_at(skip(rest), scope).is_some_and(|(next, _)| next.full) {
                    self.rest = skip(rest);
                }
                return;
            }
        }
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | ',' | '、' | '/' | '-' | '|' | ';' | '_' | '>' | '·' | ':' | '。')
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(is_separator)
}

fn continues(tail: &str) -> bool {
    let numbered = tail.strip_prefix([
        '东', '西', '南', '北', '中', '一', '二', '三', '四', '五', '六', '七', '八', '九', '十', '内', '外',
    ]);
    let road = |tail: &str| ["路", "街", "道", "巷", "大街", "大道"].iter().any(|road| tail.starts_with(road));
    CONTINUES.iter().any(|word| tail.starts_with(word)) || numbered.is_some_and(road)
}

/// Six digits at either end, or after `邮编`; a house number is not parted from its street by a blank.
fn postcode(text: &str) -> (&str, Option<&str>) {
    let is_code = |code: &str| {
        code.len() == 6
            && code.bytes().all(|b| b.is_ascii_digit())
            && matches!(code.as_bytes()[0], b'0'..=b'8')
            && code != "000000"
    };
    let label = |text: &'_ str| -> usize {
        let bare = text.trim_end_matches([' ', ':']);
        ["邮政编码", "邮编"].iter().find_map(|label| bare.strip_suffix(label)).map_or(text.len(), str::len)
    };
    if let Some(code) = text.get(..6).filter(|code| is_code(code)) {
        let rest = &text[6..];
        if rest.starts_with(|c: char| is_separator(c) || is_han(c)) {
            return (skip(rest), Some(code));
        }
    }
    let inner = text.trim_end_matches([')', ']', '】', ' ', '.', '。']);
    let at = inner.len().saturating_sub(6);
    if let Some(code) = inner.get(at..).filter(|code| is_code(code)) {
        let before = &inner[..at];
        let labelled = label(before);
        let parted = before.ends_with([' ', ',', '(', '[', '【', ';']);
        if labelled < before.len() || (parted && !before.is_empty()) {
            let before =
                before[..labelled].trim_end_matches(|c: char| is_separator(c) || matches!(c, '(' | '[' | '【'));
            return (before, Some(code));
        }
    }
    (text, None)
}
