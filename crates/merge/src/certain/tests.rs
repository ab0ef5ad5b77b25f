mod properties;
mod validity;

use super::*;

const PHONE: Rule = Rule { max_names: Some(3), max_records_per_source: Some(3), names_must_agree: true };
const CARD: Rule = Rule { max_names: None, max_records_per_source: None, names_must_agree: false };

/// A record of its own source, so that only tests that mean it reach the cap per source.
fn named(record: u32, name: &str) -> Member<'_> {
    Member {
        record,
        source: record,
        stub: false,
        name: Some(name),
        name_masked: name.contains('*'),
        valid_from: None,
        valid_to: None,
    }
}

fn nameless(record: u32) -> Member<'static> {
    Member { name: None, ..named(record, "") }
}

fn stub(record: u32) -> Member<'static> {
    Member { stub: true, ..nameless(record) }
}

trait Held: Sized {
    fn held(self, from: impl Into<Option<i32>>, to: impl Into<Option<i32>>) -> Self;
}

impl Held for Member<'_> {
    fn held(self, from: impl Into<Option<i32>>, to: impl Into<Option<i32>>) -> Self {
        Member { valid_from: from.into(), valid_to: to.into(), ..self }
    }
}

fn edges(members: &[Member], rule: &Rule) -> Vec<(u32, u32)> {
    let outcome = block_edges(members, rule);
    assert_eq!(outcome.refused, None);
    outcome.edges
}

#[test]
fn records_that_share_a_value_are_tied_to_the_lowest() {
    assert_eq!(edges(&[named(7, "张伟"), named(2, "张伟"), named(5, "王芳")], &CARD), [(2, 5), (2, 7)]);
    assert_eq!(edges(&[named(1, "张伟"), named(2, "Zhang Wei"), named(3, "张*")], &PHONE), [(1, 2), (1, 3)]);
}

#[test]
fn a_block_of_none_or_one_has_no_edge() {
    assert_eq!(block_edges(&[], &PHONE), Outcome::default());
    assert_eq!(block_edges(&[named(4, "张伟")], &PHONE), Outcome::default());
    assert_eq!(block_edges(&[named(4, "张伟"), named(4, "张玮").held(1, 2)], &CARD).edges, []);
}

#[test]
fn a_phone_that_unlike_names_share_is_refused_stubs_included() {
    let till = [named(1, "张伟"), named(2, "王芳"), named(3, "李娜"), named(4, "赵强"), stub(5), named(6, "张伟")];
    let outcome = block_edges(&till, &PHONE);
    assert_eq!(outcome.refused, Some(Refusal::TooManyNames { names: 4 }));
    assert_eq!(outcome.edges, []);
}

#[test]
fn forms_of_one_name_do_not_make_a_till() {
    let family =
        [named(1, "张伟"), named(2, "张玮"), named(3, "张**"), named(4, "Wei Zhang"), named(5, "张"), named(6, "章伟")];
    // A bare 张 is unlike 章伟, though a typo, and so stays alone; it is no further name.
    assert_eq!(edges(&family, &PHONE), [(1, 2), (1, 3), (1, 4), (1, 6)]);
    assert_eq!(edges(&family[..5], &PHONE).len(), 4);
}

#[test]
fn stubs_and_nameless_records_are_no_names_and_stubs_no_records_of_a_source() {
    let members: Vec<Member> = (0..9)
        .map(|n| Member { source: 0, name: Some(["张伟", "王芳", "李娜", "赵强"][n as usize % 4]), ..stub(n) })
        .collect();
    assert_eq!(edges(&members, &PHONE).len(), 8);
    let rule = Rule { max_names: Some(0), ..CARD };
    assert_eq!(edges(&[nameless(1), stub(2), named(3, " ")], &rule).len(), 2);
}

#[test]
fn too_many_records_of_one_source_refuse_the_block_and_a_record_counts_once() {
    let of_one_source = |n: u32| Member { source: 9, ..named(n, "张伟") };
    let four: Vec<Member> = (1..=4).map(of_one_source).collect();
    let refused = block_edges(&four, &PHONE).refused;
    assert_eq!(refused, Some(Refusal::TooManyRecords { source: 9, records: 4 }));
    let twice = [of_one_source(1), of_one_source(1).held(1, 5), of_one_source(2), of_one_source(3)];
    assert_eq!(block_edges(&twice, &PHONE).refused, None);
}

#[test]
fn the_cap_on_names_holds_where_names_need_not_agree() {
    let rule = Rule { max_names: Some(1), ..CARD };
    assert!(matches!(
        block_edges(&[named(1, "张伟"), named(2, "王芳")], &rule).refused,
        Some(Refusal::TooManyNames { names: 2 })
    ));
}

#[test]
fn unlike_names_get_no_edge_from_a_phone_not_even_by_way_of_a_third() {
    let outcome = block_edges(
        &[named(1, "张伟"), named(2, "王芳"), stub(3), nameless(4), named(5, "王*"), named(6, "张伟")],
        &PHONE,
    );
    assert_eq!(outcome.edges, [(1, 6), (2, 5)]);
    assert_eq!(outcome.vetoed, [(1, 2, Veto::Names), (1, 3, Veto::Ambiguous), (1, 4, Veto::Ambiguous)]);
    let torn = block_edges(&[named(1, "张伟"), named(2, "张敏"), named(3, "张**"), named(4, "张")], &PHONE);
    assert_eq!(torn.edges, []);
}

#[test]
fn nameless_records_and_stubs_join_the_only_person_there_is() {
    assert_eq!(edges(&[stub(1), named(2, "张伟"), nameless(3), named(4, "张*")], &PHONE), [(1, 2), (1, 3), (1, 4)]);
    assert_eq!(edges(&[stub(1), nameless(2), stub(3)], &PHONE), [(1, 2), (1, 3)]);
}

#[test]
fn a_block_of_forty_thousand_is_cheap() {
    let start = std::time::Instant::now();
    let texts: Vec<String> = (0..40_000).map(|n| format!("顾客{n}")).collect();
    let till: Vec<Member> = (0..40_000).map(|n| named(n, &texts[n as usize])).collect();
    assert!(block_edges(&till, &PHONE).refused.is_some());
    assert!(block_edges(&till, &Rule { max_names: None, ..PHONE }).refused.is_some());
    assert_eq!(edges(&till, &CARD).len(), 39_999);
    let same: Vec<Member> = (0..40_000).map(|n| named(n, "张伟").held(n as i32 * 3, n as i32 * 3 + 4)).collect();
    assert_eq!(edges(&same, &PHONE).len(), 39_999);
    let apart: Vec<Member> = (0..20_000).map(|n| named(n, "张伟").held(n as i32 * 9, n as i32 * 9 + 4)).collect();
    let orders = (0..20_000).map(|n| stub(20_000 + n).held(n as i32 * 9 + 2, n as i32 * 9 + 2));
    assert_eq!(edges(&apart.iter().copied().chain(orders).collect::<Vec<_>>(), &PHONE).len(), 20_000);
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}
