//! Provinces, cities and districts by full and short name.
//!
//! The names are those of the `cpca` crate (GB/T 2260 with the towns of cities that have no districts); its parser is
//! not used, because it reads no blanks between the levels, no `恩施州`, and cuts `南城区` after `南城`. Short names are
//! made here by rule: a suffix dropped, with it the nationalities of an autonomous area.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use super::is_han;

pub(super) struct Division {
    pub name: &'static str,
    /// Short names, longest first.
    aliases: Vec<String>,
    /// Province of a city, city of a district.
    pub parent: usize,
    /// Cities of a province, districts of a city.
    children: Range<usize>,
}

pub(super) struct Gazetteer {
    pub provinces: Vec<Division>,
    pub cities: Vec<Division>,
    pub districts: Vec<Division>,
    /// By first character.
    cities_from: HashMap<char, Vec<usize>>,
    districts_from: HashMap<char, Vec<usize>>,
}

/// Where a district may be looked for.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    City(usize),
    Province(usize),
    Anywhere,
}

/// A name found at the head of a text.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub id: usize,
    /// Bytes of the text.
    pub len: usize,
    /// Whether the full name stood there.
    pub full: bool,
}

static GAZETTEER: LazyLock<Gazetteer> = LazyLock::new(Gazetteer::build);

/// Provinces with the name that is used for short, and in Latin letters.
#[rustfmt::skip]
const PROVINCES: [(&str, &str, &str); 34] = [
    ("北京市", "北京", "beijing"), ("天津市", "天津", "tianjin"), ("河北省", "河北", "hebei"), ("山西省", "山西", "shanxi"),
    ("内蒙古自治区", "内蒙古", "inner mongolia"), ("辽宁省", "辽宁", "liaoning"), ("吉林省", "吉林", "jilin"),
    ("黑龙江省", "黑龙江", "heilongjiang"), ("上海市", "上海", "shanghai"), ("江苏省", "江苏", "jiangsu"),
    ("浙江省", "浙江", "zhejiang"), ("安徽省", "安徽", "anhui"), ("福建省", "福建", "fujian"), ("江西省", "江西", "jiangxi"),
    ("山东省", "山东", "shandong"), ("河南省", "河南", "henan"), ("湖北省", "湖北", "hubei"), ("湖南省", "湖南", "hunan"),
    ("广东省", "广东", "guangdong"), ("广西壮族自治区", "广西", "guangxi"), ("海南省", "海南", "hainan"),
    ("重庆市", "重庆", "chongqing"), ("四川省", "四川", "sichuan"), ("贵州省", "贵州", "guizhou"), ("云南省", "云南", "yunnan"),
    ("西藏自治区", "西藏", "tibet"), ("陕西省", "陕西", "shaanxi"), ("甘肃省", "甘肃", "gansu"), ("青海省", "青海", "qinghai"),
    ("宁夏回族自治区", "宁夏", "ningxia"), ("新疆维吾尔自治区", "新疆", "xinjiang"), ("台湾省", "台湾", "taiwan"),
    ("香港特别行政区", "香港", "hong kong"), ("澳门特别行政区", "澳门", "macau"),
];

/// What people write for these besides.
#[rustfmt::skip]
const MORE_PROVINCES: [(&str, &str); 10] = [
    ("内蒙古自治区", "内蒙"), ("内蒙古自治区", "内蒙古省"), ("广西壮族自治区", "广西省"), ("广西壮族自治区", "广西自治区"),
    ("新疆维吾尔自治区", "新疆自治区"), ("新疆维吾尔自治区", "新疆省"), ("宁夏回族自治区", "宁夏自治区"), ("宁夏回族自治区", "宁夏省"),
    ("西藏自治区", "西藏省"), ("香港特别行政区", "香港特区"),
];

/// Nationalities as they stand in the names of autonomous areas; `族` may follow.
#[rustfmt::skip]
const NATIONS: [&str; 47] = [
    "蒙古", "回", "藏", "维吾尔", "苗", "彝", "壮", "布依", "朝鲜", "满", "侗", "瑶", "白", "土家", "哈尼",
    "哈萨克", "傣", "黎", "傈僳", "佤", "畲", "拉祜", "水", "东乡", "纳西", "景颇", "柯尔克孜", "土",
    "达斡尔", "仫佬", "羌", "布朗", "撒拉", "毛南", "仡佬", "锡伯", "塔吉克", "怒", "鄂温克", "保安", "裕固",
    "独龙", "鄂伦春", "普米", "各", "高山", "京",
];

impl Gazetteer {
    pub fn get() -> &'static Gazetteer {
        &GAZETTEER
    }

    fn build() -> Gazetteer {
        let source = cpca::AddressParser::global();
        let mut built = Gazetteer {
            provinces: Vec::with_capacity(PROVINCES.len()),
            cities: Vec::new(),
            districts: Vec::new(),
            cities_from: HashMap::new(),
            districts_from: HashMap::new(),
        };
        for (province, short, _) in PROVINCES {
            let mut aliases = vec![short.to_owned()];
            aliases.extend(
                MORE_PROVINCES.iter().filter(|(name, _)| *name == province).map(|(_, more)| (*more).to_owned()),
            );
            let from = built.cities.len();
            // A set, because the source's order changes from run to run.
            let cities: BTreeSet<&'static str> =
                source.cities_of_province(province).into_iter().map(String::as_str).collect();
            for city in cities {
                // Hong Kong and Macau stand there as their own city.
                let municipality = city == province && province.ends_with('市');
                if city == province && !municipality {
                    continue;
                }
                let aliases = if municipality { vec![short.to_owned()] } else { short_names(city) };
                built.add_city(source, city, aliases);
            }
            let division =
                Division { name: province, aliases: sorted(aliases), parent: 0, children: from..built.cities.len() };
            built.provinces.push(division);
        }
        for (id, city) in built.cities.iter().enumerate() {
            index(&mut built.cities_from, id, city, true);
        }
        for (id, district) in built.districts.iter().enumerate() {
            index(&mut built.districts_from, id, district, false);
        }
        built
    }

    fn add_city(&mut self, source: &'static cpca::AddressParser, city: &'static str, aliases: Vec<String>) {
        let id = self.cities.len();
        let from = self.districts.len();
        let mut names: BTreeSet<&'static str> =
            source.districts_of_city(city).into_iter().map(String::as_str).collect();
        names.extend(BESIDES.iter().filter(|(of, _)| *of == city).flat_map(|(_, districts)| districts.iter().copied()));
        for name in names {
            let aliases = if is_beside(city, name) { Vec::new() } else { sorted(short_names(name)) };
            self.districts.push(Division { name, aliases, parent: id, children: 0..0 });
        }
        let children = from..self.districts.len();
        self.cities.push(Division { name: city, aliases: sorted(aliases), parent: self.provinces.len(), children });
    }

    /// The province whose name stands at the head of `text`, the longest name first.
    pub fn province_at(&self, text: &str) -> Option<Found> {
        longest(self.provinces.iter().enumerate().filter_map(|(id, province)| at_head(text, id, province, true)))
    }

    /// The city, of one province or of any, whose name stands at the head of `text`.
    pub fn city_at(&self, text: &str, province: Option<usize>) -> Option<Found> {
        match province {
            Some(province) => {
                let range = self.provinces[province].children.clone();
                longest(range.filter_map(|id| at_head(text, id, &self.cities[id], true)))
            }
            None => {
                let ids = self.cities_from.get(&text.chars().next()?)?;
                longest(ids.iter().filter_map(|id| at_head(text, *id, &self.cities[*id], true)))
            }
        }
    }

    /// The district whose name stands at the head of `text`. Short names count within a city, and within a province
    /// where only one district has it; towns only within a city. The flag tells whether another district in the scope has that name too.
    pub fn district_at(&self, text: &str, scope: Scope) -> Option<(Found, bool)> {
        let at = |id: usize, short: bool| at_head(text, id, &self.districts[id], short);
        let found = match scope {
            Scope::City(city) => longest(self.cities[city].children.clone().filter_map(|id| at(id, true))),
            Scope::Province(province) => {
                let cities = &self.cities[self.provinces[province].children.clone()];
                let ids = || {
                    cities.iter().flat_map(|city| city.children.clone()).filter(|id| !is_town(self.districts[*id].name))
                };
                let found = longest(ids().filter_map(|id| at(id, true)));
                // A short name must be one district's alone.
                found.filter(|found| {
                    found.full
                        || ids().filter_map(|id| at(id, true)).filter(|other| other.len == found.len).count() == 1
                })
            }
            Scope::Anywhere => {
                let first = text.chars().next()?;
                longest(
                    self.districts_from(first)
                        .filter(|id| !is_town(self.districts[*id].name))
                        .filter_map(|id| at(id, false)),
                )
            }
        }?;
        let name = self.districts[found.id].name;
        let shared = match scope {
            Scope::City(_) => false,
            Scope::Province(province) => self.namesakes(found.id, name).any(|id| self.province_of(id) == province),
            Scope::Anywhere => self.namesakes(found.id, name).next().is_some(),
        };
        Some((found, shared))
    }

    /// Districts by the character that their names, the short ones too, begin with.
    fn districts_from(&self, first: char) -> impl Iterator<Item = usize> {
        self.districts_from.get(&first).into_iter().flatten().copied()
    }

    fn namesakes(&self, district: usize, name: &str) -> impl Iterator<Item = usize> {
        let ids = name.chars().next().into_iter().flat_map(|first| self.districts_from(first));
        ids.filter(move |id| *id != district && self.districts[*id].name == name)
    }

    pub fn province_of(&self, district: usize) -> usize {
        self.cities[self.districts[district].parent].parent
    }

    /// The one city of a municipality.
    pub fn own_city(&self, province: usize) -> Option<usize> {
        let province = &self.provinces[province];
        province.children.clone().find(|city| self.cities[*city].name == province.name)
    }

    pub fn province_named(&self, text: &str) -> Option<&'static str> {
        let whole = self.province_at(text).filter(|found| found.len == text.len());
        let latin = || {
            let stem = text.strip_suffix(" Province").or(text.strip_suffix(" Sheng")).unwrap_or(text);
            PROVINCES.iter().find(|(_, _, latin)| stem.eq_ignore_ascii_case(latin)).map(|(name, _, _)| *name)
        };
        whole.map(|found| self.provinces[found.id].name).or_else(latin)
    }

    pub fn city_named(&self, text: &str) -> Option<&'static str> {
        let found = self.city_at(text, None).filter(|found| found.len == text.len())?;
        Some(self.cities[found.id].name)
    }

    /// The only full name that `text` is, or is short for; Taiwan's townships count by full name alone.
    pub fn district_named(&self, text: &str) -> Option<&'static str> {
        let first = text.chars().next()?;
        let mut named: Option<&'static str> = None;
        for district in self.districts_from(first).map(|id| &self.districts[id]) {
            if district.name == text {
                return Some(district.name);
            }
            let taiwan = self.provinces[self.cities[district.parent].parent].name == "台湾省";
            if !taiwan && district.aliases.iter().any(|alias| alias == text) {
                match named {
                    Some(other) if other != district.name => return None,
                    _ => named = Some(district.name),
                }
            }
        }
        named
    }
}

fn at_head(text: &str, id: usize, division: &Division, short: bool) -> Option<Found> {
    if text.starts_with(division.name) {
        return Some(Found { id, len: division.name.len(), full: true });
    }
    let alias = division.aliases.iter().filter(|_| short).find(|alias| text.starts_with(alias.as_str()))?;
    Some(Found { id, len: alias.len(), full: false })
}

/// The longest, a full name before a short one.
fn longest(found: impl Iterator<Item = Found>) -> Option<Found> {
    found.reduce(|best, next| if (next.len, next.full) > (best.len, best.full) { next } else { best })
}

fn index(from: &mut HashMap<char, Vec<usize>>, id: usize, division: &Division, short: bool) {
    let names = std::iter::once(division.name).chain(division.aliases.iter().filter(|_| short).map(String::as_str));
    let firsts: BTreeSet<char> = names.filter_map(|name| name.chars().next()).collect();
    for first in firsts {
        from.entry(first).or_default().push(id);
    }
}

fn sorted(mut aliases: Vec<String>) -> Vec<String> {
    aliases.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    aliases.dedup();
    aliases
}

/// Towns, townships and street offices: the "districts" of cities that have none, and of Taiwan's counties.
pub(super) fn is_town(name: &str) -> bool {
    name.ends_with(['镇', '乡']) || name.ends_with("街道")
}

/// `深圳` of 深圳市; `恩施` and `恩施州` of an autonomous prefecture; `陵水` and `陵水县` of an autonomous county.
fn short_names(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |stem: &str, suffix: &str| {
        if stem.chars().filter(|c| is_han(*c)).count() >= 2 {
            names.push(format!("{stem}{suffix}"));
        }
    };
    for (autonomous, plain) in [("自治州", "州"), ("自治县", "县"), ("自治旗", "旗")] {
        if let Some(stem) = name.strip_suffix(autonomous) {
            let stem = without_nations(stem);
            add(stem, "");
            add(stem, plain);
            return names;
        }
    }
    for suffix in ["特别行政区", "新区", "林区", "地区", "街道", "市", "区", "县", "盟", "旗", "镇", "乡"]
    {
        if let Some(stem) = name.strip_suffix(suffix) {
            add(stem, "");
            break;
        }
    }
    match name {
        "呼和浩特市" => add("呼市", ""),
        "克孜勒苏柯尔克孜自治州" => add("克州", ""),
        _ => {}
    }
    names
}

fn without_nations(mut stem: &str) -> &str {
    loop {
        let bare = stem.strip_suffix('族').unwrap_or(stem);
        let cut =
            NATIONS.iter().filter_map(|nation| bare.strip_suffix(nation)).filter(|left| left.chars().count() >= 2);
        // Of `拉祜` and `土家`, not of `土`: the longest nation.
        match cut.min_by_key(|left| left.len()) {
            Some(left) if bare.len() < stem.len() || BARE.iter().any(|nation| stem.ends_with(nation)) => stem = left,
            _ => return stem,
        }
    }
}

/// Nationalities written without `族`.
const BARE: [&str; 8] = ["蒙古", "哈萨克", "柯尔克孜", "维吾尔", "锡伯", "塔吉克", "鄂温克", "鄂伦春"];

/// Abolished districts that addresses still name, and zones that platforms list as districts, by city. The land of the
/// former went to several districts, so they are kept as written.
const BESIDES: [(&str, &[&str]); 14] = [
    ("北京市", &["宣武区", "崇文区"]),
    ("上海市", &["闸北区", "卢湾区", "南汇区", "南市区"]),
    ("天津市", &["塘沽区", "汉沽区", "大港区"]),
    ("重庆市", &["万盛区", "双桥区"]),
    ("杭州市", &["下城区", "江干区"]),
    ("宁波市", &["江东区"]),
    ("广州市", &["东山区", "芳村区", "萝岗区"]),
    ("苏州市", &["平江区", "沧浪区", "金阊区", "工业园区"]),
    ("南京市", &["白下区", "下关区"]),
    ("无锡市", &["崇安区", "南长区", "北塘区"]),
    ("青岛市", &["四方区"]),
    ("徐州市", &["九里区"]),
    ("成都市", &["高新区"]),
    ("西安市", &["高新区"]),
];

fn is_beside(city: &str, name: &str) -> bool {
    BESIDES.iter().any(|(of, districts)| *of == city && districts.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_province_of_the_dictionary_is_known() {
        let mut known: Vec<&str> = cpca::AddressParser::global().provinces().into_iter().map(String::as_str).collect();
        known.retain(|name| *name != "国外");
        known.sort_unstable();
        let mut ours = PROVINCES.map(|(name, _, _)| name);
        ours.sort_unstable();
        assert_eq!(known, ours);
    }

    #[test]
    fn short_names_follow_usage() {
        for (name, expected) in [
            ("深圳市", &["深圳"][..]),
            ("恩施土家族苗族自治州", &["恩施", "恩施州"]),
            ("巴音郭楞蒙古自治州", &["巴音郭楞", "巴音郭楞州"]),
            ("伊犁哈萨克自治州", &["伊犁", "伊犁州"]),
            ("海西蒙古族藏族自治州", &["海西", "海西州"]),
            ("黔西南布依族苗族自治州", &["黔西南", "黔西南州"]),
            ("延边朝鲜族自治州", &["延边", "延边州"]),
            ("大理白族自治州", &["大理", "大理州"]),
            ("双江拉祜族佤族布朗族傣族自治县", &["双江", "双江县"]),
            ("龙胜各族自治县", &["龙胜", "龙胜县"]),
            ("前郭尔罗斯蒙古族自治县", &["前郭尔罗斯", "前郭尔罗斯县"]),
            ("鄂伦春自治旗", &["鄂伦春", "鄂伦春旗"]),
            ("神农架林区", &["神农架"]),
            ("浦东新区", &["浦东"]),
            ("喀什地区", &["喀什"]),
            ("云县", &[]),
            ("城区", &[]),
            ("南城街道", &["南城"]),
        ] {
            assert_eq!(short_names(name), expected, "{name}");
        }
    }

    #[test]
    fn short_names_within_a_province_are_no_other_citys() {
        let gazetteer = Gazetteer::get();
        for province in &gazetteer.provinces {
            let cities = &gazetteer.cities[province.children.clone()];
            let mut names: Vec<&str> = cities.iter().flat_map(|city| city.aliases.iter().map(String::as_str)).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            let taiwan = province.name == "台湾省";
            assert!(taiwan || names.len() == count, "{}", province.name);
        }
    }
}
