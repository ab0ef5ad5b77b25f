use super::{Candidate, Strategy, choose};
use proptest::prelude::{Just, any, prop, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Values;

fn candidate(record: u32, source: u32, at: impl Into<Option<i64>>, value: &str) -> Candidate<'_> {
    Candidate { record, source, at: at.into(), value, masked: value.contains('*'), completeness: 1 }
}

fn winner<'a>(strategy: Strategy, candidates: &[Candidate<'a>]) -> Option<&'a str> {
    choose(&strategy, candidates).map(|place| candidates[place].value)
}

#[test]
fn nobody_wins_where_nobody_has_a_value() {
    assert_eq!(choose(&Strategy::MostRecent, &[]), None);
    assert_eq!(choose(&Strategy::Prefer(vec![1]), &[candidate(1, 1, 5, ""), candidate(2, 1, 5, " ")]), None);
}

#[test]
fn the_newest_wins_and_an_undated_value_is_the_oldest() {
    let candidates =
        [candidate(1, 1, 10, "a"), candidate(2, 1, 30, "b"), candidate(3, 1, None, "c"), candidate(4, 1, 99, "")];
    assert_eq!(winner(Strategy::MostRecent, &candidates), Some("b"));
    assert_eq!(winner(Strategy::MostRecent, &[candidate(2, 1, None, "c"), candidate(3, 1, i64::MIN, "d")]), Some("d"));
}

#[test]
fn equally_new_values_go_by_completeness_then_lowest_record() {
    let fuller = Candidate { completeness: 3, ..candidate(9, 1, 10, "full") };
    assert_eq!(winner(Strategy::MostRecent, &[candidate(1, 1, 10, "a"), fuller]), Some("full"));
    assert_eq!(winner(Strategy::MostRecent, &[candidate(2, 1, 10, "a"), candidate(1, 2, 10, "b")]), Some("b"));
}

#[test]
fn the_most_complete_wins_and_of_these_the_newest() {
    let with = |completeness, at, value| Candidate { completeness, ..candidate(1, 1, at, value) };
    let candidates = [with(2, 90, "new"), with(4, 10, "old"), with(4, 20, "newer")];
    assert_eq!(winner(Strategy::MostComplete, &candidates), Some("newer"));
}

#[test]
fn the_most_frequent_value_wins_and_of_two_the_one_seen_last() {
    let often = [candidate(1, 1, 1, "a"), candidate(2, 2, 2, "a"), candidate(3, 3, 90, "b")];
    assert_eq!(choose(&Strategy::MostFrequent, &often), Some(1));
    let tied = [candidate(1, 1, 1, "a"), candidate(2, 2, 2, "a"), candidate(3, 3, 90, "b"), candidate(4, 3, 0, "b")];
    assert_eq!(choose(&Strategy::MostFrequent, &tied), Some(2));
}

#[test]
fn the_first_preferred_source_with_a_value_wins_and_strangers_come_last() {
    let prefer = || Strategy::Prefer(vec![7, 3]);
    let candidates = [
        candidate(1, 5, 99, "stranger"),
        candidate(2, 3, 1, "old"),
        candidate(3, 3, 2, "new"),
        candidate(4, 7, 50, ""),
    ];
    assert_eq!(winner(prefer(), &candidates), Some("new"));
    assert_eq!(winner(prefer(), &candidates[..1]), Some("stranger"));
    assert_eq!(winner(Strategy::Prefer(vec![]), &candidates), Some("stranger"));
}

#[test]
fn a_clear_value_beats_a_masked_one_under_every_strategy() {
    let masked = |record| Candidate { completeness: 9, ..candidate(record, 1, 99, "138****1234") };
    let candidates = [masked(1), masked(2), candidate(3, 2, 1, "13812341234")];
    for strategy in [Strategy::MostRecent, Strategy::MostComplete, Strategy::MostFrequent, Strategy::Prefer(vec![1, 2])]
    {
        assert_eq!(choose(&strategy, &candidates), Some(2), "{strategy:?}");
        assert_eq!(choose(&strategy, &candidates[..2]), Some(0), "{strategy:?}: better a masked value than none");
    }
    assert_eq!(winner(Strategy::MostRecent, &[masked(1), candidate(2, 1, 1, " ")]), Some("138****1234"));
}

fn any_candidate() -> impl Values<Value = Candidate<'static>> {
    let value = prop::sample::select(vec!["", " ", "a", "b", "c"]);
    (0..6u32, 0..3u32, prop::option::of(0..3i64), value, any::<bool>(), 0..3u32).prop_map(
        |(record, source, at, value, masked, completeness)| Candidate {
            record,
            source,
            at,
            value,
            masked,
            completeness,
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_candidates_does_not_matter(
        (given, shuffled) in prop::collection::vec(any_candidate(), 0..9).prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        which in 0..4usize,
    ) {
        let strategies = [Strategy::MostRecent, Strategy::MostComplete, Strategy::MostFrequent, Strategy::Prefer(vec![2, 0])];
        let chosen = |candidates: &[Candidate<'static>]| choose(&strategies[which], candidates).map(|place| candidates[place]);
        prop_assert_eq!(chosen(&given), chosen(&shuffled));
        prop_assert_eq!(chosen(&given).is_none(), given.iter().all(|c| c.value.trim().is_empty()));
    }
}
