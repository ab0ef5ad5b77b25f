use super::*;
use crate::names::{alike, is_han, tests::properties::any_name};
use proptest::prelude::*;

fn names<'a>(texts: &[&'a str]) -> Vec<(&'a str, bool)> {
    texts.iter().map(|text| (*text, text.contains('*'))).collect()
}

#[test]
fn forms_of_one_name_are_counted_once() {
    assert_eq!(group_unlike(&[]), 0);
    assert_eq!(group_unlike(&names(&["张伟", "张伟", "张*", "张", "Zhang Wei", "章伟", "", "**"])), 1);
    assert_eq!(group_unlike(&names(&["张伟", "王芳", "李娜", "John Smith"])), 4);
    assert_eq!(group_unlike(&names(&["王*", "李*", "王**"])), 2);
}

#[test]
fn a_name_that_fits_two_people_belongs_to_neither_and_is_not_a_third() -> Result<(), usize> {
    let classes = classes(&names(&["张伟", "张敏", "张*", "张"]), usize::MAX)?;
    assert_eq!(classes.count, 2);
    assert_eq!(classes.of[2..], [Standing::Torn, Standing::Torn]);
    assert_ne!(classes.of[0], classes.of[1]);
    Ok(())
}

#[test]
fn masks_that_contradict_each_other_are_two_people_whatever_lies_between() -> Result<(), usize> {
    let classes = classes(&names(&["王", "王*明", "王*红"]), usize::MAX)?;
    assert_eq!(classes.count, 2);
    assert_eq!(classes.of[0], Standing::Torn);
    Ok(())
}

#[test]
fn a_mask_joins_the_class_of_the_whole_name_it_fits_despite_a_typo_there() -> Result<(), usize> {
    let classes = classes(&names(&["张伟", "章伟", "张*"]), usize::MAX)?;
    assert_eq!(classes.of, [Standing::Class(0); 3]);
    Ok(())
}

#[test]
fn counting_stops_past_the_limit() {
    let texts: Vec<String> = ('赵'..).filter(|c| is_han(*c)).take(900).map(|c| format!("{c}德胜{c}")).collect();
    let many: Vec<(&str, bool)> = texts.iter().map(|text| (text.as_str(), false)).collect();
    assert_eq!(classes(&many, 3), Err(4));
    let spellings: Vec<String> = (0..40_000).map(|n| format!("Customer {n}")).collect();
    let spellings: Vec<(&str, bool)> = spellings.iter().map(|text| (text.as_str(), false)).collect();
    assert_eq!(classes(&spellings, usize::MAX), Err(MOST_SPELLINGS + 1));
}

#[test]
fn the_more_frequent_spellings_decide_whose_class_it_is() -> Result<(), usize> {
    // 王小明 is one character from each of the others, and they are two from each other.
    let given = names(&["王大明", "王小明", "王小红", "王小红", "王小明"]);
    let of = classes(&given, usize::MAX)?.of;
    assert_eq!(of[1], of[2]);
    assert_ne!(of[0], of[1]);
    Ok(())
}

proptest! {
    #[test]
    fn no_two_clear_names_of_a_class_are_unlike_and_order_does_not_matter(
        (given, shuffled) in prop::collection::vec(any_name(), 0..12).prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))
    ) {
        let view: Vec<(&str, bool)> = given.iter().map(|(text, masked)| (text.as_str(), *masked)).collect();
        let shuffled_view: Vec<(&str, bool)> = shuffled.iter().map(|(text, masked)| (text.as_str(), *masked)).collect();
        let (Ok(parts), Ok(others)) = (classes(&view, usize::MAX), classes(&shuffled_view, usize::MAX)) else {
            return Err(TestCaseError::fail("no limit was set"));
        };
        prop_assert_eq!(parts.count, others.count);
        prop_assert_eq!(parts.count, group_unlike(&view));
        for (i, a) in view.iter().enumerate() {
            let there = shuffled_view.iter().position(|b| a == b).map(|at| others.of[at]);
            prop_assert_eq!(Some(parts.of[i]), there);
            for (j, b) in view.iter().enumerate() {
                let clear = !Name::read(a.0, a.1).masked && !Name::read(b.0, b.1).masked;
                if clear && matches!(parts.of[i], Standing::Class(_)) && parts.of[i] == parts.of[j] {
                    prop_assert!(alike(a.0, a.1, b.0, b.1), "{:?} and {:?}", a, b);
                }
            }
        }
    }
}
