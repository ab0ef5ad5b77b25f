pub(super) mod properties;

use super::*;

/// Both clear unless asterisks show otherwise.
fn clear(a: &str, b: &str) -> bool {
    let forth = alike(a, false, b, false);
    assert_eq!(forth, alike(b, false, a, false), "{a} and {b}: not symmetric");
    forth
}

#[track_caller]
fn all_alike(pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        assert!(clear(a, b), "{a} and {b} should be alike");
    }
}

#[track_caller]
fn all_unlike(pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        assert!(!clear(a, b), "{a} and {b} should be unlike");
    }
}

#[test]
fn hanzi_names_that_are_one_name() {
    all_alike(&[
        ("张伟", "张伟"),
        ("张 伟", "张伟"),
        ("张伟", "张玮"),     // sounds the same
        ("张伟", "章伟"),     // so does the family name
        ("張偉", "张伟"),     // traditional: all sound the same
        ("单丹", "山丹"),     // 单 is Shan in a family name
        ("李晓鸣", "李小明"), // a phonetic keyboard's error
        ("王建国", "汪建国"),
        ("季建国", "李建国"), // looks alike; the given name is whole
        ("王小明", "王小红"), // could be siblings, could be a typo: see the module's page
        ("欧阳小明", "欧阳小红"),
        ("王明小", "王小明"), // neighbours swapped
        ("伟张", "张伟"),     // given name first
        ("小明王", "王小明"),
        ("修欧阳", "欧阳修"),
        ("阿卜杜·热合曼", "阿卜杜热合曼"),
        ("阿卜杜热合曼", "阿卜杜拉热合曼"),
    ]);
}

#[test]
fn hanzi_names_that_are_two_people() {
    all_unlike(&[
        ("张伟", "张敏"),
        ("张敏", "张明"), // min and ming are two sounds
        ("王伟", "李伟"), // one common character is no name
        ("王小明", "王建国"),
        ("欧阳修", "欧阳明"), // they share the family name only
        ("王明", "王小明"),
        ("张伟", "王芳"),
        ("王小明", "李小红"),
        ("欧阳", "诸葛"),
    ]);
}

#[test]
fn a_family_name_alone_fits_its_family_only() {
    all_alike(&[("王", "王伟"), ("王", "王小明"), ("欧阳", "欧阳修"), ("王", "王")]);
    all_unlike(&[("王", "张伟"), ("欧", "欧阳修"), ("王", "张"), ("王", "汪"), ("伟", "张伟"), ("小明", "王小明")]);
}

#[test]
fn masked_and_clear_names_agree_where_both_are_visible() {
    let cases = [
        ("张**", "张伟", true),
        ("张**", "张伟明", true), // the number of asterisks means nothing
        ("张*", "张", true),
        ("张*明", "张伟明", true),
        ("张*明", "张", true),    // a family name contradicts no given name
        ("张*明", "张明", false), // the mask hides something
        ("张*明", "张伟", false),
        ("张伟*", "张伟", true),
        ("*伟", "张伟", true),
        ("*伟", "张敏", false),
        ("张**", "王伟", false),
        ("欧阳*", "欧阳修", true),
        ("欧**", "欧阳修", true),
        ("张某某", "张伟", true),
        ("王某", "张伟", false),
        ("张", "张伟", true), // masked, and nothing left to show it
        ("张", "王伟", false),
        ("张＊＊", "张伟", true),
    ];
    for (masked, other, expected) in cases {
        assert_eq!(alike(masked, true, other, false), expected, "{masked} and {other}");
        assert_eq!(alike(other, false, masked, true), expected, "{other} and {masked}");
    }
}

#[test]
fn two_masked_names_agree_where_both_are_visible() {
    let cases = [
        ("张**", "张*明", true),
        ("张*", "张**", true),
        ("王*明", "王*红", false),
        ("张**", "李**", false),
        ("J***", "J*** S****", true),
        ("J*** S****", "M*** S****", false),
    ];
    for (a, b, expected) in cases {
        assert_eq!(alike(a, true, b, true), expected, "{a} and {b}");
        assert_eq!(alike(b, true, a, true), expected, "{b} and {a}");
    }
}

#[test]
fn asterisks_are_a_mask_even_where_nobody_says_so() {
    all_alike(&[("张**", "张伟"), ("J*** S****", "John Smith"), ("S**** J***", "John Smith")]);
    all_unlike(&[("张**", "王伟"), ("J*** S****", "Mary Smith")]);
}

#[test]
fn a_name_without_anything_visible_contradicts_no_other() {
    all_alike(&[("", "张伟"), ("***", "张伟"), ("  ", "John Smith"), ("", "")]);
}

#[test]
fn pinyin_is_a_form_of_the_hanzi_name() {
    all_alike(&[
        ("Zhang Wei", "张伟"),
        ("Wei Zhang", "张伟"),
        ("ZHANG WEI", "张伟"),
        ("Zhāng Wěi", "张伟"),
        ("zhangwei", "张伟"),
        ("Zhang", "张伟"),
        ("Wang Xiao Ming", "王小明"),
        ("Wang Xiaoming", "王小明"),
        ("Xiao-Ming Wang", "王小明"),
        ("Zhang, Wei", "张伟"),
        ("Zhang W.", "张伟"),
        ("W. Zhang", "张伟"),
        ("Z. Wei", "张伟"),
        ("Wang X M", "王小明"),
        ("Ouyang Xiu", "欧阳修"),
        ("Xiu Ou Yang", "欧阳修"),
        ("Ou Yang Xiu", "欧阳修"),
        ("Yuchi Gong", "尉迟恭"),
        ("Moqi Ming", "万俟明"),
        ("Wang", "王"),
        ("Wang Wei", "王"),
        ("Zhang Wei", "张**"),
        ("Wei Zhang", "张*"),
        ("Zhang", "张**"),
        ("Wang Xiaoming", "王*明"),
        ("Zhang Wei", "*伟"),
        ("Zh*** W**", "张伟"),
        ("Xi'an Lü", "吕西安"),
    ]);
    all_unlike(&[
        ("Zhang Wei", "张敏"),
        ("Zhang Min", "张伟"),
        ("Wei Ming", "张伟"),
        ("Wei", "张伟"),
        ("Li Xiaoming", "王小明"),
        ("David Zhang", "张伟"), // nobody said that he is called David
        ("Wang Xiaohong", "王*明"),
        ("Zhang Wei", "占**"), // zhan, and then g
        ("Zhang", "占**"),
        ("Li***", "张伟"),
        ("Zhang X.", "张伟"),
    ]);
}

#[test]
fn family_names_are_read_as_family_names_are() {
    all_alike(&[
        ("Shan Tian", "单田"),
        ("Zeng Li", "曾丽"),
        ("Qiu Ying", "仇英"),
        ("Xie Zhen", "解"),
        ("Xie Jin", "解缙"),
        ("Zha Liangyong", "查良镛"),
        ("Ou Jun", "区军"),
        ("Piao Shu", "朴树"),
        ("Ren Jing", "任静"),
        ("Yue Yun", "乐云"),
        ("Ge Yong", "盖勇"),
        ("Shen Long", "谌龙"),
        ("Chen Long", "谌龙"),
        ("Lu Bu", "吕布"),
        ("Lv Bu", "吕布"),
        ("Lyu Bu", "吕布"),
        ("Lü Bu", "吕布"),
    ]);
}

#[test]
fn every_reading_of_a_given_name_is_tried() {
    all_alike(&[("Wang Le", "王乐"), ("Wang Yue", "王乐"), ("Li Chang", "李长"), ("Li Zhang", "李长")]);
}

#[test]
fn latin_names_that_are_one_name() {
    all_alike(&[
        ("John Smith", "john smith"),
        ("John Smith", "Smith, John"),
        ("John Smith", "Jonh Smith"),
        ("John Smith", "John Smyth"),
        ("J. Smith", "John Smith"),
        ("John S", "John Smith"),
        ("Smith J", "John Smith"),
        ("John Q. Smith", "John Smith"),
        ("Smith", "John Smith"),
        ("José García", "Jose Garcia"),
        ("O'Brien Pat", "OBrien Pat"),
        ("Christopher Lee", "Christofer Lee"),
        ("Zhang Xiao Ming", "Xiaoming Zhang"),
        ("Maria Rossi", "Mario Rossi"), // a typo or a brother: cannot be told apart
        ("Иван Петров", "Петров Иван"),
    ]);
}

#[test]
fn latin_names_that_are_two_people() {
    all_unlike(&[
        ("John Smith", "Jane Smith"),
        ("Tom Smith", "Tim Smith"),
        ("Mary Smith", "Gary Smith"), // the whole texts are nearly one
        ("Michael Brown", "Michelle Brown"),
        ("Zhang Wei", "Zheng Wei"), // two families, not a typo
        ("Zhang Wei", "Zhang Min"),
        ("Wang Xiaoming", "Wang Xiaohong"),
        ("Li Na", "Li Na2"),
        ("Customer 1001", "Customer 1002"),
        ("J Smith", "John Brown"),
        ("J S", "John Smith"), // initials alone say nothing
        ("Smith", "Smythe"),
        ("John", "John2"),
    ]);
}

#[test]
fn of_names_in_two_scripts_all_shared_scripts_must_agree() {
    all_alike(&[
        ("张伟 David", "张伟"),
        ("张伟 David", "David"),
        ("张伟 (David)", "David Zhang 张伟"),
        ("张伟 David", "张伟 Zhang Wei David"),
    ]);
    all_unlike(&[("David 张", "Michael 张"), ("张伟 David", "王芳 David")]);
}

#[test]
fn very_long_names_are_compared_quickly() {
    let (a, b) = ("*张".repeat(5000), "张".repeat(10_000));
    alike(&a, true, &b, false);
    alike(&"wei ".repeat(5000), false, &"伟".repeat(5000), false);
}
