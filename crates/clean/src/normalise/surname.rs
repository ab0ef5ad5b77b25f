//! Chinese surnames: which characters at the head of a name are the family's.
//!
//! The compound list is the living ones and those of the Hundred Family Surnames, with traditional forms where they
//! differ. The single list covers well over 99 % of people; its use is to know that 小明 and 老王 do not begin with one.

use std::sync::LazyLock;

/// Surnames of two characters.
pub(super) const COMPOUND: [&str; 100] = [
    "欧阳", "太史", "端木", "上官", "司马", "东方", "独孤", "南宫", "万俟", "闻人", "夏侯", "诸葛", "尉迟", "公羊",
    "赫连", "澹台", "皇甫", "宗政", "濮阳", "公冶", "太叔", "申屠", "公孙", "慕容", "仲孙", "钟离", "长孙", "宇文",
    "司徒", "鲜于", "司空", "闾丘", "子车", "亓官", "司寇", "巫马", "公西", "颛孙", "壤驷", "公良", "漆雕", "乐正",
    "宰父", "谷梁", "拓跋", "夹谷", "轩辕", "令狐", "段干", "百里", "呼延", "东郭", "南门", "羊舌", "微生", "公仪",
    "梁丘", "公仲", "左丘", "公伯", "西门", "公祖", "第五", "公乘", "贯丘", "公皙", "南荣", "东里", "东宫", "仲长",
    "即墨", "达奚", "褚师", "纳兰", "归海", "完颜", "耶律", "叶赫", "哥舒", "贺兰", "富察", "那拉", "佟佳", "斛律",
    "贺若", "淳于", "歐陽", "司馬", "諸葛", "東方", "獨孤", "南宮", "聞人", "尉遲", "赫連", "軒轅", "鍾離", "長孫",
    "鮮于", "東郭",
];

/// Surnames of one character, simplified then traditional.
const SINGLE: &str = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦\
    昌马苗凤花方俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹\
    姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐\
    邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁\
    荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武\
    符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉\
    宰郦雍郤璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满\
    弘匡国文寇广禄阙欧殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰巢关蒯相查后荆红游竺\
    权逯盖益桓公岳帅缑亢况郈琴商牟佘佴伯赏墨哈谯笪年爱阳佟肖闫付代仝覃植战苑信初丛原由尧尉展岩幺忻仉仵冼\
    占卲邸晋朴楚楼练续隋雒青邝揭鹿佀门豆种逢撒区粟檀银税斯肇鲜回郄侍脱扎官敬冒漆苟帕库妥冶拜沐坚铁趙錢孫\
    鄭馮陳衛蔣韓楊許呂張嚴謝鄒竇雲蘇範魯韋馬鳳費賀湯羅畢鄔樂時齊餘顧黃蕭談龐紀項藍閔賈婁顏鍾駱萬盧經繆應\
    鄧單諸龔陸榮儲車寧厲劉葉龍薊從賴藺喬陰聞黨譚貢勞麗莊閻連習魚師鞏聶簡饒關蓋歐區鄺";

static SINGLE_SORTED: LazyLock<Box<[char]>> = LazyLock::new(|| {
    let mut chars: Vec<char> = SINGLE.chars().collect();
    chars.sort_unstable();
    chars.into_boxed_slice()
});

/// Pinyin of common surnames, mainland and Wade–Giles or Cantonese. A Latin name that holds one may have either order.
const PINYIN: [&str; 152] = [
    "ai", "an", "au", "bai", "bao", "bi", "bian", "cai", "cao", "cen", "chan", "chang", "chao", "chen", "cheng",
    "cheung", "chiu", "chow", "chu", "cui", "dai", "deng", "ding", "dong", "dou", "du", "duan", "fan", "fang", "feng",
    "fong", "fu", "gan", "gao", "ge", "geng", "gong", "gu", "guan", "guo", "han", "hao", "he", "ho", "hou", "hsu",
    "hu", "hua", "huang", "hui", "huo", "ji", "jia", "jiang", "jiao", "jin", "kang", "ke", "kong", "kwok", "lai",
    "lam", "lan", "lau", "lee", "lei", "leung", "li", "lian", "liang", "liao", "lim", "lin", "ling", "liu", "lo",
    "long", "lou", "lu", "luo", "lv", "ma", "mao", "mei", "meng", "miao", "mo", "mok", "ng", "nie", "ning", "niu",
    "ouyang", "pan", "pang", "pei", "peng", "pi", "qi", "qian", "qiao", "qin", "qiu", "qu", "ren", "rong", "ruan",
    "shao", "shen", "shi", "shu", "situ", "song", "su", "sun", "tan", "tang", "tao", "teng", "tian", "tong", "tsang",
    "tse", "tu", "wan", "wang", "wei", "wen", "wong", "wu", "xia", "xiang", "xiao", "xie", "xin", "xing", "xiong",
    "xu", "xue", "yan", "yang", "yao", "ye", "yin", "yu", "yuan", "zhang", "zhao", "zheng", "zhou", "zhu", "zou",
];

/// How many bytes at the head of a Han name are the surname; `None` where it does not begin with one.
///
/// A compound surname needs a given name after it, or else to be the whole.
pub(super) fn leading(name: &str) -> Option<usize> {
    if COMPOUND.iter().any(|surname| name.starts_with(surname)) {
        return name.char_indices().nth(2).map_or(Some(name.len()), |(at, _)| Some(at));
    }
    let first = name.chars().next()?;
    SINGLE_SORTED.binary_search(&first).ok().map(|_| first.len_utf8())
}

/// Whether a Latin word, in any case, is a Chinese surname's romanisation.
pub(super) fn is_pinyin(word: &str) -> bool {
    PINYIN.iter().any(|surname| word.eq_ignore_ascii_case(surname))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_after_the_surname() {
        for (name, expected) in [
            ("张三", Some("张")),
            ("欧阳娜娜", Some("欧阳")),
            ("诸葛亮", Some("诸葛")),
            ("歐陽修", Some("歐陽")),
            ("司徒", Some("司徒")),
            ("单雄信", Some("单")),
            ("区小姐", Some("区")),
            ("小明", None),
            ("阿强", None),
            ("", None),
        ] {
            assert_eq!(leading(name).map(|end| &name[..end]), expected, "{name}");
        }
    }

    #[test]
    fn lists_have_no_double_entry_of_the_wrong_shape() {
        assert!(COMPOUND.iter().all(|surname| surname.chars().count() == 2));
        let mut sorted = COMPOUND;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(PINYIN.is_sorted());
        assert!(SINGLE_SORTED.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
