//! Which characters sound alike and which look alike: where typing mistakes in Chinese names come from, and their pinyin.
//!
//! It holds the characters that this crate's names use and their neighbours, each with the one reading it has in names. It
//! is no dictionary, and tones are left out: input methods leave them out too.

use std::collections::HashMap;

use rand::RngExt;

use crate::chance::{Dice, pick};

/// Characters by syllable; every character occurs once, every syllable has at least two.
#[rustfmt::skip]
const ALIKE: &[(&str, &str)] = &[
    ("ai", "艾爱"), ("bai", "白柏"), ("bin", "斌彬宾"), ("bo", "博波勃"), ("cai", "蔡才彩"), ("cao", "曹草"), ("chang", "常昌"), ("chao", "超朝潮"),
    ("chen", "晨陈辰臣"), ("cheng", "成诚程城"), ("chi", "迟池"), ("chun", "春椿淳"), ("cui", "崔翠"), ("dai", "黛戴代"),
    ("deng", "邓登"), ("ding", "丁定"), ("dong", "栋东董冬"), ("du", "杜度"), ("duan", "段端"), ("fan", "凡帆范繁"),
    ("fang", "芳方放"), ("fei", "菲飞霏非"), ("feng", "凤峰锋冯丰"), ("fu", "付傅甫"), ("gang", "刚钢岗"), ("gao", "高皋"),
    ("ge", "葛格"), ("gong", "龚宫"), ("gu", "顾古"), ("guan", "官关"), ("gui", "桂贵归"), ("guo", "国郭果"), ("hai", "海亥"),
    ("han", "涵韩晗寒"), ("hao", "浩昊郝皓"), ("he", "何贺和"), ("heng", "恒衡"), ("hong", "红宏洪虹"), ("hou", "侯后"),
    ("hu", "胡狐湖"), ("hua", "华桦花"), ("huang", "黄皇凰"), ("hui", "慧辉惠晖"), ("jia", "佳嘉家贾"), ("jian", "建健剑"),
    ("jiang", "蒋姜江"), ("jie", "洁杰捷"), ("jin", "金靳锦"), ("jing", "静晶靖菁婧俓"), ("ju", "菊聚鞠"), ("juan", "娟涓鹃"),
    ("jun", "军俊君钧"), ("kai", "凯楷恺"), ("kong", "孔空"), ("kun", "坤昆"), ("lan", "兰岚蓝澜"), ("lei", "蕾磊雷垒"),
    ("li", "丽莉力立黎李"), ("liang", "亮良梁簗"), ("liao", "廖辽"), ("lin", "琳林霖"), ("ling", "玲铃凌令"), ("liu", "刘柳"),
    ("long", "龙隆珑"), ("lu", "璐露卢陆鹿"), ("luo", "罗骆洛"), ("lyu", "吕侣"), ("ma", "马玛"), ("mao", "毛茅"),
    ("mei", "梅美媚玫"), ("meng", "梦孟萌"), ("min", "敏民旻"), ("ming", "明铭鸣"), ("mo", "莫墨"), ("mu", "慕穆木"),
    ("na", "娜那纳"), ("ning", "宁凝"), ("ou", "欧鸥"), ("pan", "潘攀"), ("peng", "鹏彭朋"), ("ping", "萍平苹"),
    ("qi", "琪琦祺奇"), ("qian", "倩茜钱芊"), ("qiang", "强蔷"), ("qin", "琴秦勤芹覃"), ("qing", "庆青清晴卿"),
    ("qiu", "邱秋丘"), ("ren", "任仁"), ("rong", "蓉荣容融"), ("rui", "睿瑞锐"), ("shang", "上尚"), ("shao", "邵绍"),
    ("shen", "沈申珅绅"), ("shi", "诗石史时"), ("shu", "淑舒"), ("si", "思斯司丝"), ("song", "宋松颂"), ("su", "苏素"),
    ("sun", "孙荪"), ("tan", "谭谈"), ("tang", "唐汤"), ("tao", "涛陶韬"), ("tian", "天田添"), ("ting", "婷庭廷"),
    ("tong", "彤童桐"), ("tu", "徒涂"), ("wan", "万婉"), ("wang", "王汪旺"), ("wei", "薇伟威魏韦炜维尉"), ("wen", "文雯闻"),
    ("wu", "吴武伍"), ("xia", "霞夏侠"), ("xiang", "翔祥向湘"), ("xiao", "肖萧晓"), ("xie", "谢解"),
    ("xin", "欣馨鑫昕新"), ("xiong", "熊雄"), ("xiu", "秀修绣"), ("xu", "旭徐许"), ("xuan", "轩萱宣"), ("xue", "雪薛学"),
    ("ya", "雅亚娅"), ("yan", "艳燕妍岩严闫彦䶮"), ("yang", "洋阳杨扬"), ("yao", "瑶姚尧耀"), ("ye", "叶业"),
    ("yi", "怡毅依仪"), ("yin", "尹殷"), ("ying", "英莹颖瑛迎"), ("yong", "勇永咏"), ("yu", "玉宇雨余于瑜羽"),
    ("yuan", "远元袁媛"), ("yue", "悦月岳越"), ("yun", "云芸耘"), ("ze", "泽择"), ("zeng", "曾增"), ("zhang", "张章彰"),
    ("zhao", "赵召肇"), ("zhen", "珍振贞真"), ("zheng", "郑政正"), ("zhi", "志智芝"), ("zhong", "钟忠"), ("zhou", "周洲舟"),
    ("zhu", "朱诸祝竹"), ("zou", "邹走"),
];

/// Characters that look alike; every character occurs once.
#[rustfmt::skip]
const SIMILAR: &[&str] = &[
    "凤风", "昊吴", "宇字", "博搏", "泽译", "天夫", "晶品", "刚纲", "海悔", "颖颍", "晴睛情", "婷停", "云去", "明朋", "兰三",
    "李季", "王玉", "刘浏", "陈阵", "杨扬", "徐除", "孙逊", "胡湖", "郭敦", "琳淋", "雪雷", "欣欢", "佳住", "静净", "丽郦",
];

/// The two tables, by character.
#[derive(Debug, Clone)]
pub(crate) struct Sounds {
    alike: HashMap<char, (&'static str, Vec<char>)>,
    similar: HashMap<char, Vec<char>>,
}

impl Sounds {
    pub(crate) fn new() -> Self {
        let others = |row: &str, one: char| row.chars().filter(|&other| other != one).collect::<Vec<_>>();
        Self {
            alike: ALIKE
                .iter()
                .flat_map(|&(syllable, row)| row.chars().map(move |one| (one, (syllable, others(row, one)))))
                .collect(),
            similar: SIMILAR.iter().flat_map(|row| row.chars().map(move |one| (one, others(row, one)))).collect(),
        }
    }

    /// The pinyin of a character of our tables, without tone.
    pub(crate) fn syllable(&self, one: char) -> Option<&'static str> {
        self.alike.get(&one).map(|&(syllable, _)| syllable)
    }

    /// Another character that is mistaken for this one: three times in four by its sound, else by its shape if it has a like.
    pub(crate) fn mistaken(&self, dice: &mut Dice, one: char) -> Option<char> {
        let by_shape = self.similar.get(&one);
        let by_sound = self.alike.get(&one).map(|(_, others)| others);
        let first = if dice.random_bool(0.25) { by_shape.or(by_sound) } else { by_sound.or(by_shape) };
        first.filter(|others| !others.is_empty()).map(|others| pick(dice, others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_one_reading_and_another_of_the_same_sound() {
        let rows: usize = ALIKE.iter().map(|(_, row)| row.chars().count()).sum();
        let sounds = Sounds::new();
        assert_eq!(sounds.alike.len(), rows, "a character occurs twice");
        assert!(sounds.alike.values().all(|(_, others)| !others.is_empty()));
        let shapes: usize = SIMILAR.iter().map(|row| row.chars().count()).sum();
        assert_eq!(sounds.similar.len(), shapes, "a character occurs twice");
    }
}
