//! "Did you mean": the name that was probably meant, or the names there are.

/// How many names are listed when none is near.
const LISTED: usize = 12;

/// The candidate that `word` probably meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let length = folded.chars().count();
    let by_edits = |candidate: &'a str| {
        let other = fold(candidate);
        let allowed = (length.max(other.chars().count()) / 3).max(1);
        let edits = strsim::damerau_levenshtein(&folded, &other);
        // Two short names that share nothing are not near each other.
        let shared = edits < length.max(other.chars().count());
        if edits <= allowed && shared {
            return Some((0, edits));
        }
        let (short, long) = if folded.len() <= other.len() { (&folded, &other) } else { (&other, &folded) };
        let telling = if short.is_ascii() { short.len() >= 4 } else { short.chars().count() >= 2 };
        (telling && long.contains(short.as_str())).then(|| (1, long.chars().count()))
    };
    let mut best = None;
    for candidate in candidates {
        if let Some(score) = by_edits(candidate)
            && best.is_none_or(|(least, _)| score < least)
        {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The help that goes with an unknown name; `None` if there are no names to offer.
pub fn help<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    candidates.dedup();
    known(&candidates)
}

/// The names there are.
pub fn known(names: &[&str]) -> Option<String> {
    let listed: Vec<_> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(LISTED);
    match (listed.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("known: {}", listed.join(", "))),
        (false, more) => Some(format!("known: {} and {more} more", listed.join(", "))),
    }
}

/// Case, `-` and `_` are what people mix up first.
fn fold(word: &str) -> String {
    word.trim().to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_found() {
        assert_eq!(nearest("lak", ["name", "lake", "map"]), Some("lake"));
        assert_eq!(nearest("zoho_crm", ["files", "zoho-crm"]), Some("zoho-crm"));
        assert_eq!(nearest("姓名", ["卡号", "姓名(必填)"]), Some("姓名(必填)"));
        assert_eq!(nearest("性名", ["卡号", "姓名"]), Some("姓名"));
        assert_eq!(nearest("Mobile", ["mobile_phone", "mobile"]), Some("mobile"));
        assert_eq!(nearest("x", ["lake", "map", "y"]), None);
        assert_eq!(nearest("zoho-crm", ["files", "tmall"]), None);
    }

    #[test]
    fn else_the_names_are_listed_up_to_a_length() {
        let many: Vec<String> = (0..15).map(|i| format!("column_{i:02}")).collect();
        insta::assert_snapshot!(help("q", many.iter().map(String::as_str)).unwrap(), @"known: `column_00`, `column_01`, `column_02`, `column_03`, `column_04`, `column_05`, `column_06`, `column_07`, `column_08`, `column_09`, `column_10`, `column_11` and 3 more");
        assert_eq!(help("q", []), None);
    }
}
