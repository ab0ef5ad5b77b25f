//! Postal addresses, parted as far as is certain.
//!
//! A Chinese address is read from its head against the dictionary of divisions, a Western one from its end. Whatever is
//! not understood stays in the street, so an address never fails. Nothing is completed that the text does not imply: a
//! district that several cities have gets no city.

mod china;
mod gazetteer;
mod western;

use std::borrow::Cow;

use gazetteer::Gazetteer;

use super::IssueKind;
use super::fold::{is_han, is_mask, prepare};

pub const VERSION: u32 = 1;

/// The dictionary of provinces, cities and districts; part of the fingerprint.
pub const DICTIONARY: &str = "cpca 0.3.0";

/// The parts of an address; each is absent where the text does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// ISO 3166 alpha-2. Hong Kong, Macau and Taiwan are provinces here, as in GB/T 2260 and on the platforms.
    pub country: Option<String>,
    /// Full name in China (`广东省`); the postal code of a state or province in the USA, Canada and Australia.
    pub province: Option<String>,
    /// Full name in China. A municipality is its own city; Hong Kong and Macau have none.
    pub city: Option<String>,
    /// Full name in China, also of an abolished district that people still write. In the four cities without districts
    /// (东莞, 中山, 儋州, 嘉峪关) the town or street office, as most platforms have it.
    pub district: Option<String>,
    /// All the rest; no blank beside a Han character.
    pub street: Option<String>,
    pub postcode: Option<String>,
    /// Whether any of it is hidden behind `*`.
    pub masked: bool,
}

/// `region` is the ISO 3166 code of the country the source sells in. Text with Han characters is read as Chinese where
/// the region is `CN`, `HK`, `MO` or `TW`, or where it begins with a province; other text as Western.
///
/// # Errors
/// None today.
pub fn address(text: &str, region: &str) -> Result<Option<Address>, IssueKind> {
    // A line break parts lines of an address; folded, it would be any blank.
    let lines: Cow<'_, str> = match text.trim().contains(['\n', '\r']) {
        true => Cow::Owned(text.trim().replace("\r\n", ", ").replace(['\n', '\r'], ", ")),
        false => Cow::Borrowed(text),
    };
    let Some(text) = prepare(&lines) else { return Ok(None) };
    let masked = text.contains(is_mask);
    let chinese = ["CN", "HK", "MO", "TW"].iter().any(|code| region.eq_ignore_ascii_case(code));
    let mut address = if text.contains(is_han) {
        let address = china::parse(&text);
        if chinese || address.province.is_some() { address } else { western::parse(&text, region) }
    } else {
        western::parse(&text, region)
    };
    address.masked = masked;
    Ok(Some(address))
}

/// A province's full name (`广东`, `广东省`, `Guangdong`), or the text itself, tidied, where it is none.
pub fn province(text: &str) -> Option<Cow<'_, str>> {
    let text = tidied(text)?;
    let gazetteer = Gazetteer::get();
    match gazetteer.province_named(&text) {
        Some(name) => Some(Cow::Borrowed(name)),
        None => Some(text),
    }
}

/// A city's full name (`深圳`, `恩施州`), or the text itself, tidied. `市辖区`, `县` and `省直辖县级行政区划`, which stand in
/// a city's place, are no value.
pub fn city(text: &str) -> Option<Cow<'_, str>> {
    let text = tidied(text)?;
    if china::FILLERS.contains(&&*text) {
        return None;
    }
    match Gazetteer::get().city_named(&text) {
        Some(name) => Some(Cow::Borrowed(name)),
        None => Some(text),
    }
}

/// A district's or county's full name where only one name begins so (`南山` is `南山区` anywhere, `朝阳` is 区 or 县),
/// or the text itself, tidied.
pub fn district(text: &str) -> Option<Cow<'_, str>> {
    let text = tidied(text)?;
    if china::FILLERS.contains(&&*text) {
        return None;
    }
    match Gazetteer::get().district_named(&text) {
        Some(name) => Some(Cow::Borrowed(name)),
        None => Some(text),
    }
}

fn tidied(text: &str) -> Option<Cow<'_, str>> {
    let text = prepare(text)?;
    let loose = text.contains("  ") || (text.contains(' ') && text.contains(is_han));
    Some(if loose { Cow::Owned(squeezed(&text)) } else { text })
}

/// One blank between words, none beside a Han character.
fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let latin = |c: Option<char>| c.is_some_and(|c| !is_han(c));
        if latin(squeezed.chars().next_back()) && latin(word.chars().next()) {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `province|city|district|street`, absent parts empty.
    fn parts(text: &str, region: &str) -> String {
        let found = address(text, region).unwrap().unwrap();
        let part = |part: Option<String>| part.unwrap_or_default();
        [part(found.province), part(found.city), part(found.district), part(found.street)].join("|")
    }

    #[test]
    fn chinese_addresses_are_read_from_the_head() {
        for (text, expected) in [
            ("广东省深圳市南山区科技园路1号", "广东省|深圳市|南山区|科技园路1号"),
            ("广东深圳南山科技园", "广东省|深圳市|南山区|科技园"),
            ("深圳南山区科技园", "广东省|深圳市|南山区|科技园"),
            ("深圳市南山区", "广东省|深圳市|南山区|"),
            ("广东省 深圳市 南山区 科技园 1 栋", "广东省|深圳市|南山区|科技园1栋"),
            ("广东省/深圳市/南山区/科技园", "广东省|深圳市|南山区|科技园"),
            ("广东省-深圳市-南山区-科技园", "广东省|深圳市|南山区|科技园"),
            ("中国广东省广州市天河区", "广东省|广州市|天河区|"),
            ("中国 广东 广州 天河 体育西路", "广东省|广州市|天河区|体育西路"),
            ("广东省深圳市南山区广东省深圳市南山区科技园1号", "广东省|深圳市|南山区|科技园1号"),
            ("广东省深圳市 广东省深圳市南山区科技园1号", "广东省|深圳市|南山区|科技园1号"),
            ("广东省佛山市顺德区大良街道", "广东省|佛山市|顺德区|大良街道"),
            ("广州番禺市桥", "广东省|广州市|番禺区|桥"),
            ("江苏省 苏州市 昆山市 花桥镇", "江苏省|苏州市|昆山市|花桥镇"),
            ("昆山市花桥镇", "江苏省|苏州市|昆山市|花桥镇"),
            ("江苏苏州工业园区星湖街1号", "江苏省|苏州市|工业园区|星湖街1号"),
            ("浙江省杭州市西湖区文三路 1 号", "浙江省|杭州市|西湖区|文三路1号"),
            ("杭州文三路1号", "浙江省|杭州市||文三路1号"),
            ("浙江省杭州市下城区体育场路", "浙江省|杭州市|下城区|体育场路"),
            ("浙江省余杭市临平镇", "浙江省|杭州市|余杭区|临平镇"),
            ("浙江义乌北苑街道", "浙江省|金华市|义乌市|北苑街道"),
            ("山东莱芜市", "山东省|济南市|莱芜区|"),
            ("青岛市南区香港中路", "山东省|青岛市|市南区|香港中路"),
            ("青岛市市南区香港中路", "山东省|青岛市|市南区|香港中路"),
            ("江苏鼓楼", "江苏省|||鼓楼"),
            ("浙江省杭州市余杭市临平镇", "浙江省|杭州市|余杭区|临平镇"),
            ("福建省厦门市思明区鼓浪屿", "福建省|厦门市|思明区|鼓浪屿"),
            ("安徽省巢湖市", "安徽省|合肥市|巢湖市|"),
            ("吉林省吉林市昌邑区", "吉林省|吉林市|昌邑区|"),
            ("吉林市船营区", "吉林省|吉林市|船营区|"),
            ("吉林吉林昌邑", "吉林省|吉林市|昌邑区|"),
            ("长沙县星沙镇", "湖南省|长沙市|长沙县|星沙镇"),
            ("湖南长沙县星沙镇", "湖南省|长沙市|长沙县|星沙镇"),
            ("内蒙古呼和浩特新城区", "内蒙古自治区|呼和浩特市|新城区|"),
            ("内蒙古 呼和浩特市 新城区 中山东路1号", "内蒙古自治区|呼和浩特市|新城区|中山东路1号"),
            ("广西南宁青秀区", "广西壮族自治区|南宁市|青秀区|"),
            ("西藏拉萨城关区", "西藏自治区|拉萨市|城关区|"),
            ("新疆乌鲁木齐市天山区", "新疆维吾尔自治区|乌鲁木齐市|天山区|"),
        ] {
            assert_eq!(parts(text, "CN"), expected, "{text}");
        }
    }

    #[test]
    fn municipalities_are_their_own_city() {
        for (text, expected) in [
            ("北京市朝阳区望京", "北京市|北京市|朝阳区|望京"),
            ("北京朝阳区望京SOHO T1 1201", "北京市|北京市|朝阳区|望京SOHO T1 1201"),
            ("北京市北京市朝阳区建国路1号", "北京市|北京市|朝阳区|建国路1号"),
            ("北京 北京市 朝阳区 建国路1号", "北京市|北京市|朝阳区|建国路1号"),
            ("北京市市辖区朝阳区建国路1号", "北京市|北京市|朝阳区|建国路1号"),
            ("北京朝阳门外大街1号", "北京市|北京市||朝阳门外大街1号"),
            ("上海浦东陆家嘴", "上海市|上海市|浦东新区|陆家嘴"),
            ("上海市浦东新区世纪大道100号", "上海市|上海市|浦东新区|世纪大道100号"),
            ("上海浦东大道1号", "上海市|上海市||浦东大道1号"),
            ("上海市闸北区天目西路", "上海市|上海市|闸北区|天目西路"),
            ("上海市崇明县", "上海市|上海市|崇明区|"),
            ("重庆市县云阳县人民路", "重庆市|重庆市|云阳县|人民路"),
            ("重庆渝中区解放碑", "重庆市|重庆市|渝中区|解放碑"),
            ("天津滨海新区开发区", "天津市|天津市|滨海新区|开发区"),
            ("天津市", "天津市|天津市||"),
        ] {
            assert_eq!(parts(text, "CN"), expected, "{text}");
        }
    }

    #[test]
    fn cities_without_districts_and_counties_under_a_province() {
        for (text, expected) in [
            ("广东省东莞市长安镇振安路1号", "广东省|东莞市|长安镇|振安路1号"),
            ("东莞长安振安路", "广东省|东莞市|长安镇|振安路"),
            ("广东东莞市南城区鸿福路", "广东省|东莞市|南城街道|鸿福路"),
            ("广东省中山市小榄镇", "广东省|中山市|小榄镇|"),
            ("海南省儋州市那大镇", "海南省|儋州市|那大镇|"),
            ("甘肃省嘉峪关市新华中路", "甘肃省|嘉峪关市||新华中路"),
            ("河南省济源市沁园街道", "河南省|济源市||沁园街道"),
            ("河南省省直辖县级行政区划济源市沁园街道1号", "河南省|济源市||沁园街道1号"),
            ("济源市天坛区", "河南省|济源市||天坛区"),
            ("湖北省仙桃市沙嘴街道", "湖北省|仙桃市||沙嘴街道"),
            ("新疆维吾尔自治区自治区直辖县级行政区划石河子市北泉镇", "新疆维吾尔自治区|石河子市||北泉镇"),
            ("海南省文昌市文城镇", "海南省|文昌市||文城镇"),
            ("海南临高临城镇", "海南省|临高县||临城镇"),
            ("湖南湘西州吉首市", "湖南省|湘西土家族苗族自治州|吉首市|"),
            ("湖北恩施州恩施市", "湖北省|恩施土家族苗族自治州|恩施市|"),
            ("湖北恩施市舞阳坝", "湖北省|恩施土家族苗族自治州|恩施市|舞阳坝"),
            ("四川凉山州西昌市", "四川省|凉山彝族自治州|西昌市|"),
            ("云南大理州大理市", "云南省|大理白族自治州|大理市|"),
            ("云南大理市下关", "云南省|大理白族自治州|大理市|下关"),
            ("香港特别行政区九龙城区", "香港特别行政区|||九龙城区"),
            ("香港中环", "香港特别行政区|||中环"),
            ("香港九龙尖沙咀", "香港特别行政区|||九龙尖沙咀"),
            ("澳门", "澳门特别行政区|||"),
            ("台湾省台北市信义区", "台湾省|台北市|信义区|"),
        ] {
            assert_eq!(parts(text, "CN"), expected, "{text}");
        }
    }

    #[test]
    fn streets_and_words_that_begin_like_a_place_stay_streets() {
        for text in [
            "中山路12号",
            "南京路100号",
            "北京路1号",
            "北京西路1号",
            "上海路",
            "吉林大学南校区",
            "东方明珠大厦",
            "人民路1号",
            "朝阳门外大街",
            "襄樊市樊城区",
            "和平里三区",
            "中国银行",
            "城区",
            "河南南路5号",
            "海口大道",
            "山东大厦3层",
        ] {
            assert_eq!(parts(text, "CN"), format!("|||{text}"));
        }
        // The district is certain, its city is not.
        assert_eq!(parts("朝阳区建国路", "CN"), "||朝阳区|建国路");
        assert_eq!(parts("江苏省鼓楼区中山路", "CN"), "江苏省||鼓楼区|中山路");
        // A district of another province is not taken.
        assert_eq!(parts("广东省雁塔区人民路", "CN"), "广东省|||雁塔区人民路");
    }

    #[test]
    fn chinese_postcodes_masks_and_country() {
        for (text, expected, postcode) in [
            ("518000 广东省深圳市南山区", "广东省|深圳市|南山区|", Some("518000")),
            ("518000广东省深圳市南山区", "广东省|深圳市|南山区|", Some("518000")),
            ("广东省深圳市南山区科技园1号 518000", "广东省|深圳市|南山区|科技园1号", Some("518000")),
            ("广东省深圳市南山区科技园1号(518000)", "广东省|深圳市|南山区|科技园1号", Some("518000")),
            ("广东省深圳市南山区科技园1号，邮编：518000", "广东省|深圳市|南山区|科技园1号", Some("518000")),
            ("广东省深圳市南山区科技园1号邮编518000", "广东省|深圳市|南山区|科技园1号", Some("518000")),
            ("广东省深圳市南山区科技园2号楼120301", "广东省|深圳市|南山区|科技园2号楼120301", None),
        ] {
            let found = address(text, "CN").unwrap().unwrap();
            assert_eq!(found.postcode.as_deref(), postcode, "{text}");
            assert_eq!(found.country.as_deref(), Some("CN"));
            assert_eq!(parts(text, "CN"), expected, "{text}");
        }
        let masked = address("广东省深圳市南山区科技园＊＊号", "CN").unwrap().unwrap();
        assert!(masked.masked);
        assert_eq!(masked.street.as_deref(), Some("科技园**号"));
        assert_eq!(address("人民路1号", "CN").unwrap().unwrap().country, None);
        assert_eq!(parts("广东省深圳市\r\n南山区科技园", "CN"), "广东省|深圳市|南山区|科技园");
        for text in ["", "-", "无", "NULL", "\n"] {
            assert_eq!(address(text, "CN"), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn western_addresses_are_read_from_the_end() {
        for (text, region, expected, postcode, country) in [
            (
                "742 Evergreen Terrace, Springfield, IL 62704",
                "US",
                "IL|Springfield||742 Evergreen Terrace",
                "62704",
                "US",
            ),
            (
                "742 Evergreen Terrace, Apt 2, Springfield, IL 62704-1234, USA",
                "US",
                "IL|Springfield||742 Evergreen Terrace, Apt 2",
                "62704-1234",
                "US",
            ),
            (
                "742 Evergreen Terrace\nSpringfield IL 62704\nUnited States",
                "CN",
                "IL|Springfield||742 Evergreen Terrace",
                "62704",
                "US",
            ),
            (
                "742 Evergreen Terrace, Springfield, Illinois, 62704",
                "US",
                "IL|Springfield||742 Evergreen Terrace",
                "62704",
                "US",
            ),
            ("742 Evergreen Terrace, Springfield, il", "US", "IL|Springfield||742 Evergreen Terrace", "", ""),
            ("1 Main St Springfield IL 62704", "US", "IL|||1 Main St Springfield", "62704", "US"),
            ("111 Wellington St, Ottawa, ON K1A 0A9", "US", "ON|Ottawa||111 Wellington St", "K1A 0A9", "CA"),
            ("1 George St, Sydney NSW 2000, Australia", "US", "NSW|Sydney||1 George St", "2000", "AU"),
            ("10 Downing Street, London SW1A 2AA", "GB", "|London||10 Downing Street", "SW1A 2AA", "GB"),
            ("10 Downing Street, London, sw1a2aa, UK", "US", "|London||10 Downing Street", "SW1A 2AA", "GB"),
            ("Marienplatz 1, 80331 München, Germany", "US", "|München||Marienplatz 1", "80331", "DE"),
            ("Marienplatz 1, D-80331 München", "DE", "|München||Marienplatz 1", "80331", ""),
            ("Damrak 1, 1012 LG Amsterdam, Netherlands", "US", "|Amsterdam||Damrak 1", "1012 LG", "NL"),
            ("Drottninggatan 1, 111 51 Stockholm, Sweden", "US", "|Stockholm||Drottninggatan 1", "11151", "SE"),
            ("Rua Augusta 1, 1100-048 Lisboa, Portugal", "US", "|Lisboa||Rua Augusta 1", "1100-048", "PT"),
            ("5 Orchard Road, Singapore", "US", "|||5 Orchard Road", "", "SG"),
            ("350 5th Ave, New York", "US", "|||350 5th Ave, New York", "", ""),
            ("350 5th Ave, New York, NY 10118", "US", "NY|New York||350 5th Ave", "10118", "US"),
            ("Nanjing Road 5, Shanghai 200001, China", "US", "|Shanghai||Nanjing Road 5", "200001", "CN"),
            ("742 Evergreen Terrace", "US", "|||742 Evergreen Terrace", "", ""),
            ("Room 1, Chaoyang District, Beijing", "CN", "|||Room 1, Chaoyang District, Beijing", "", ""),
        ] {
            assert_eq!(parts(text, region), expected, "{text}");
            let found = address(text, region).unwrap().unwrap();
            assert_eq!(found.postcode.as_deref().unwrap_or_default(), postcode, "{text}");
            assert_eq!(found.country.as_deref().unwrap_or_default(), country, "{text}");
        }
    }

    #[test]
    fn single_levels_get_their_full_names() {
        for (text, expected) in [
            ("广东", Some("广东省")),
            ("广东省", Some("广东省")),
            (" 内蒙古 ", Some("内蒙古自治区")),
            ("内蒙", Some("内蒙古自治区")),
            ("北京", Some("北京市")),
            ("Guangdong", Some("广东省")),
            ("Zhejiang Province", Some("浙江省")),
            ("广 东", Some("广东省")),
            ("Bavaria", Some("Bavaria")),
            ("New  York", Some("New York")),
            ("", None),
            ("无", None),
        ] {
            assert_eq!(province(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("深圳", Some("深圳市")),
            ("深圳市", Some("深圳市")),
            ("恩施州", Some("恩施土家族苗族自治州")),
            ("济源", Some("济源市")),
            ("北京", Some("北京市")),
            ("大理", Some("大理白族自治州")),
            ("市辖区", None),
            ("省直辖县级行政区划", None),
            ("县", None),
            ("Springfield", Some("Springfield")),
        ] {
            assert_eq!(city(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("南山", Some("南山区")),
            ("南山区", Some("南山区")),
            ("浦东", Some("浦东新区")),
            ("朝阳", Some("朝阳")),
            ("昆山", Some("昆山市")),
            ("元江县", Some("元江哈尼族彝族傣族自治县")),
            ("市辖区", None),
            ("长安", Some("长安")),
            ("下城区", Some("下城区")),
        ] {
            assert_eq!(district(text).as_deref(), expected, "{text}");
        }
    }
}
