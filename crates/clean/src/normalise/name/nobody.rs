//! What is typed where a name is required and there is none.

use super::title;
use crate::normalise::IssueKind;
use crate::normalise::fold::is_han;
use crate::normalise::null::is_null;

/// Whole names that nobody has; a number may follow.
#[rustfmt::skip]
const NOBODY: [&str; 58] = [
    "顾客", "会员", "散客", "客户", "匿名", "匿名用户", "匿名买家", "游客", "用户", "新用户", "手机用户",
    "微信用户", "淘宝用户", "新会员", "普通会员", "微信会员", "淘宝会员", "临时会员", "零售", "零售客户",
    "零售顾客", "散户", "过路客", "普通顾客", "普通客户", "默认", "默认客户", "默认会员", "默认用户", "现金",
    "现金客户", "本人", "姓名", "不详", "佚名", "先生", "女士", "小姐", "guest", "customer", "member", "user",
    "anonymous", "unknown", "nobody", "walk in", "walkin", "cash", "test", "tester", "testing", "name",
    "first last", "no name", "asdf", "abc", "xxx", "vip",
];

/// Latin words of which a placeholder is made: `Test User`, `Cash Customer`.
#[rustfmt::skip]
const NOBODYS_WORDS: [&str; 15] = [
    "test", "tester", "testing", "user", "customer", "guest", "account", "cash", "sale", "walk", "in",
    "anonymous", "unknown", "demo", "dummy",
];

pub(super) fn refuse(value: &str) -> Result<(), IssueKind> {
    let stem = value.trim_end_matches(|c: char| c.is_numeric() || matches!(c, ' ' | '*' | '-' | '_' | '.'));
    let users = ["测试", "測試", "用户", "手机用户", "微信用户"].iter().any(|head| stem.starts_with(head))
        || ["用户", "买家"].iter().any(|end| stem.ends_with(end));
    if users || is_null(value) || title::is_one(value) || !stem.contains(char::is_alphabetic) {
        return Err(IssueKind::Placeholder);
    }
    if !value.contains(is_han) && value.bytes().filter(u8::is_ascii_digit).count() >= 3 && !is_nobody(stem) {
        return Err(IssueKind::Unparsable);
    }
    if is_nobody(stem) { Err(IssueKind::Placeholder) } else { Ok(()) }
}

fn is_nobody(stem: &str) -> bool {
    NOBODY.iter().any(|name| stem.eq_ignore_ascii_case(name))
        || stem.contains([' ', '-'])
            && stem.split([' ', '-']).all(|word| NOBODYS_WORDS.iter().any(|nobody| word.eq_ignore_ascii_case(nobody)))
}
