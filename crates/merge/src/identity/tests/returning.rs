//! Records that were gone and are back.

use super::*;

#[test]
fn an_id_whose_members_are_gone_retires_and_comes_back_with_one() {
    let mut state = State::after(&["ab c"]);
    assert_eq!(told(&mut state, "c").1, ["retired a#0"]);
    assert_eq!(told(&mut state, "c").1, [""; 0]);
    assert_eq!(told(&mut state, "bz c"), (vec!["a#0".into(), "c#0".into()], vec!["revived a#0".into()]));
    assert_eq!(state.members[0], Member { record: "a", customer_id: "a#0".into(), retired: true });
}

#[test]
fn a_retired_id_whose_record_comes_back_to_a_larger_one_leads_there() {
    let mut state = State::after(&["a bc", "bc"]);
    assert_eq!(told(&mut state, "abc"), (vec!["b#0".into()], vec!["merged a#0 into b#0".into()]));
}

#[test]
fn a_merged_id_comes_back_with_a_record_it_had_lost_before_and_leads_nowhere_then() {
    let mut state = State::after(&["ab cde", "a cde", "acde"]);
    assert_eq!(state.redirects.get("a#0"), Some(&"c#0".to_string()));
    assert_eq!(told(&mut state, "b acde"), (vec!["a#0".into(), "c#0".into()], vec!["revived a#0".into()]));
    assert_eq!(state.redirects, BTreeMap::new());
}

#[test]
fn a_late_record_of_a_merged_id_does_not_lead_it_elsewhere() {
    let mut state = State::after(&["ab cde fgh", "a cde fgh", "acde fgh"]);
    assert_eq!(told(&mut state, "acde bfgh").1, [""; 0]);
    assert_eq!(state.redirects.get("a#0"), Some(&"c#0".to_string()));
}
