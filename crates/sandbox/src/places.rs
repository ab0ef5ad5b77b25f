//! Where people live and where the stores are: some cities with true districts, invented roads and house numbers.
//!
//! An address is a place, not a claim: nobody lives there. Postcodes are left out, as they mostly are in such data.

use rand::RngExt;

use crate::chance::Dice;

/// Province, city, districts.
#[rustfmt::skip]
const CITIES: &[(&str, &str, &[&str])] = &[
    ("浙江省", "杭州市", &["西湖区", "拱墅区", "滨江区", "余杭区", "萧山区"]),
    ("浙江省", "宁波市", &["海曙区", "鄞州区", "江北区"]),
    ("上海市", "上海市", &["浦东新区", "徐汇区", "静安区", "闵行区", "杨浦区"]),
    ("江苏省", "南京市", &["鼓楼区", "玄武区", "建邺区"]),
    ("江苏省", "苏州市", &["姑苏区", "吴中区", "昆山市"]),
    ("北京市", "北京市", &["朝阳区", "海淀区", "丰台区", "通州区"]),
    ("广东省", "广州市", &["天河区", "越秀区", "番禺区"]),
    ("广东省", "深圳市", &["南山区", "福田区", "宝安区"]),
    ("四川省", "成都市", &["武侯区", "锦江区", "双流区"]),
    ("湖北省", "武汉市", &["洪山区", "江汉区", "武昌区"]),
    ("陕西省", "西安市", &["雁塔区", "碑林区"]),
    ("天津市", "天津市", &["和平区", "南开区"]),
];

#[rustfmt::skip]
const ROADS: &[&str] = &[
    "文三路", "人民路", "解放路", "中山北路", "建设大道", "和平街", "学院路", "长江路", "新华路", "朝阳大街", "滨江大道", "环城东路",
    "科技园南路", "幸福里", "桃源街",
];

/// The stores, in the order of their numbers.
#[rustfmt::skip]
pub(crate) const STORES: &[&str] = &[
    "杭州湖滨店", "杭州西溪店", "杭州滨江店", "宁波鄞州店", "上海徐家汇店", "上海五角场店", "上海浦东店", "南京新街口店", "南京建邺店",
    "苏州观前店", "昆山万象店", "北京朝阳店", "北京中关村店", "北京通州店", "广州天河店", "广州番禺店", "深圳南山店", "深圳福田店",
    "成都春熙路店", "成都双流店", "武汉江汉店", "武汉光谷店", "西安小寨店", "天津和平店",
];

/// Where a person lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    city: u8,
    district: u8,
    road: u8,
    number: u16,
    building: u8,
    room: u16,
}

impl Home {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let city = dice.random_range(0..CITIES.len());
        Self {
            city: city as u8,
            district: dice.random_range(0..CITIES[city].2.len()) as u8,
            road: dice.random_range(0..ROADS.len()) as u8,
            number: dice.random_range(1..800),
            building: dice.random_range(1..30),
            room: dice.random_range(1_u16..30) * 100 + dice.random_range(1_u16..5),
        }
    }

    pub(crate) fn province(self) -> &'static str {
        CITIES[usize::from(self.city)].0
    }

    pub(crate) fn city(self) -> &'static str {
        CITIES[usize::from(self.city)].1
    }

    pub(crate) fn district(self) -> &'static str {
        CITIES[usize::from(self.city)].2[usize::from(self.district)]
    }

    /// `文三路12号`.
    pub(crate) fn road(self) -> String {
        format!("{}{}号", ROADS[usize::from(self.road)], self.number)
    }

    /// `3幢402室`.
    pub(crate) fn door(self) -> String {
        format!("{}幢{}室", self.building, self.room)
    }

    /// `文*****`, as the shop shows it to those who need not know.
    pub(crate) fn masked(self) -> String {
        ROADS[usize::from(self.road)].chars().take(1).chain("*****".chars()).collect()
    }

    /// On one line, as tills take it: half of them leave the province out.
    pub(crate) fn one_line(self, dice: &mut Dice) -> String {
        let province = if self.province() == self.city() || dice.random_bool(0.5) { "" } else { self.province() };
        format!("{province}{}{}{}{}", self.city(), self.district(), self.road(), self.door())
    }
}

/// The number of a store.
pub(crate) fn store(dice: &mut Dice) -> u8 {
    dice.random_range(0..STORES.len() as u8)
}
