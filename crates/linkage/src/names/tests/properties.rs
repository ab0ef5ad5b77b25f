//! What holds for any two names.

use super::*;
use proptest::prelude::*;

pub(in crate::names) fn any_name() -> impl Strategy<Value = (String, bool)> {
    let han = "[张章王汪单欧阳伟玮敏小明红*]{0,4}";
    let latin = "(zhang|wang|wei|xiao|ming|john|jon|smith|smyth|j|z\\*)( (zhang|wei|xiaoming|smith|s|\\*)){0,2}";
    (prop_oneof![han.boxed(), latin.boxed(), (han, latin).prop_map(|(a, b)| format!("{a} {b}")).boxed()], any::<bool>())
}

proptest! {
    #[test]
    fn alike_is_reflexive_and_symmetric(a in any_name(), b in any_name()) {
        prop_assert!(alike(&a.0, a.1, &a.0, a.1));
        prop_assert_eq!(alike(&a.0, a.1, &b.0, b.1), alike(&b.0, b.1, &a.0, a.1));
    }

    #[test]
    fn any_text_is_a_name(a in ".{0,80}", b in ".{0,80}", masks: (bool, bool)) {
        alike(&a, masks.0, &b, masks.1);
    }

    #[test]
    fn masking_a_name_keeps_it_alike(name in "[张王单欧阳伟敏小明红]{2,4}", shown in 1usize..2) {
        let masked: String = name.chars().take(shown).chain("**".chars()).collect();
        prop_assert!(alike(&masked, true, &name, false));
    }
}
