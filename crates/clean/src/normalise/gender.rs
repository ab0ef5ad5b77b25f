//! Gender as forms record it: words, letters, GB/T 2261.1 digits, and forms of address.

use super::{IssueKind, fold::prepare};

pub const VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gender {
    Female,
    Male,
    Other,
}

impl Gender {
    /// The name that is stored; stable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Gender::Female => "female",
            Gender::Male => "male",
            Gender::Other => "other",
        }
    }
}

/// `1` is male and `2` female (GB/T 2261.1, ISO/IEC 5218; WeChat's too); `0`, `9`, `保密` and the like are no value.
///
/// # Errors
/// [`IssueKind::Unparsable`] for anything unknown.
pub fn gender(text: &str) -> Result<Option<Gender>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    let lower;
    let word = if text.bytes().any(|b| b.is_ascii_uppercase()) {
        lower = text.to_ascii_lowercase();
        lower.as_str()
    } else {
        &text
    };
    Ok(Some(match word.trim_end_matches('.') {
        "男" | "男性" | "男士" | "男生" | "男孩" | "先生" | "帅哥" | "m" | "male" | "man" | "boy" | "mr" | "1"
        | "1.0" | "01" | "♂" | "masculin" | "männlich" | "herr" | "homme" => Gender::Male,
        "女" | "女性" | "女士" | "女生" | "女孩" | "小姐" | "太太" | "夫人" | "美女" | "f" | "female" | "woman"
        | "girl" | "mrs" | "ms" | "miss" | "2" | "2.0" | "02" | "♀" | "féminin" | "weiblich" | "frau" | "femme" => {
            Gender::Female
        }
        "其他" | "其它" | "other" | "x" | "nonbinary" | "non-binary" | "diverse" | "divers" => Gender::Other,
        "0" | "9" | "0.0" | "9.0" | "00" | "09" | "u" | "unknown" | "保密" | "不详" | "不限" | "未说明" | "未设置"
        | "secret" | "private" | "undisclosed" | "not specified" | "prefer not to say" | "未说明的性别"
        | "未知的性别" => {
            return Ok(None);
        }
        _ => return Err(IssueKind::Unparsable),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_words_letters_digits_and_forms_of_address() {
        for text in ["男", " 男 ", "M", "m", "Male", "MALE", "1", "１", "先生", "Mr.", "男性", "1.0"] {
            assert_eq!(gender(text), Ok(Some(Gender::Male)), "{text}");
        }
        for text in ["女", "F", "female", "2", "女士", "小姐", "Ms", "Mrs.", "02"] {
            assert_eq!(gender(text), Ok(Some(Gender::Female)), "{text}");
        }
        for text in ["", "0", "9", "未知", "保密", "unknown", "Unknown", "-", "NULL"] {
            assert_eq!(gender(text), Ok(None), "{text}");
        }
        assert_eq!(gender("其他"), Ok(Some(Gender::Other)));
        for text in ["3", "yes", "男女", "张三"] {
            assert_eq!(gender(text), Err(IssueKind::Unparsable), "{text}");
        }
    }
}
