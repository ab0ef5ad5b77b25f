//! When a value was held.

use super::*;

#[test]
fn intervals_that_do_not_overlap_give_no_edge() {
    let outcome = block_edges(&[named(1, "张伟").held(0, 10), named(2, "张伟").held(11, None)], &CARD);
    assert_eq!(outcome.edges, []);
    assert_eq!(outcome.vetoed, [(1, 2, Veto::Validity)]);
    // The last day is part of the interval.
    assert_eq!(edges(&[named(1, "张伟").held(0, 10), named(2, "张伟").held(10, 20)], &CARD), [(1, 2)]);
    assert_eq!(edges(&[named(1, "张伟").held(None, 10), named(2, "张伟").held(3, None)], &CARD), [(1, 2)]);
}

#[test]
fn an_interval_that_ends_before_it_begins_is_none() {
    assert_eq!(edges(&[named(1, "张伟").held(20, 10), named(2, "张伟").held(100, 120)], &CARD), [(1, 2)]);
}

#[test]
fn a_chain_of_intervals_is_tied_by_pairs_that_overlap() {
    let chain = [named(1, "张伟").held(0, 10), named(2, "张伟").held(18, 30), named(3, "张伟").held(9, 20)];
    assert_eq!(edges(&chain, &CARD), [(1, 3), (2, 3)]);
}

#[test]
fn a_record_without_interval_does_not_tie_an_old_owner_to_a_new_one() {
    let members = [named(1, "张伟").held(0, 10), named(2, "张伟").held(20, None), named(3, "张伟")];
    let outcome = block_edges(&members, &CARD);
    assert_eq!(outcome.edges, []);
    assert_eq!(outcome.vetoed, [(1, 2, Veto::Validity), (1, 3, Veto::Ambiguous)]);
    assert_eq!(edges(&[members[1], members[2]], &CARD), [(2, 3)]);
    assert_eq!(edges(&[members[2], named(4, "张伟")], &CARD), [(3, 4)]);
}

#[test]
fn a_recycled_phone_goes_with_the_name_and_an_order_with_its_time() {
    let old = named(1, "张伟").held(0, 100);
    let new = named(2, "王芳").held(200, None);
    let order_then = stub(3).held(50, 50);
    let order_now = stub(4).held(300, 300);
    let between = stub(5).held(150, 150);
    let undated = named(6, "王芳");
    let outcome = block_edges(&[old, new, order_then, order_now, between, undated, stub(7)], &PHONE);
    assert_eq!(outcome.edges, [(1, 3), (2, 4), (2, 6)]);
    assert_eq!(outcome.vetoed, [(1, 2, Veto::Names), (1, 5, Veto::Ambiguous), (1, 7, Veto::Ambiguous)]);
}

#[test]
fn a_long_interval_ties_short_ones_that_lie_within_it() {
    let members = [named(1, "张伟").held(0, 100), named(2, "张伟").held(5, 10), named(3, "张伟").held(50, 60)];
    assert_eq!(edges(&members, &CARD), [(1, 2), (1, 3)]);
}
