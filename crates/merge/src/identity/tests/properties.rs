//! What holds for any history.

use super::*;
use proptest::prelude::*;

const KEYS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// For each record which cluster it is in, or that it is not there; some records are equally old.
fn any_clusters() -> impl Strategy<Value = Clusters> {
    prop::collection::vec(prop::option::weighted(0.8, 0..5usize), KEYS.len()).prop_map(|places| {
        let mut clusters: Clusters = vec![Vec::new(); 5];
        for (at, place) in places.iter().enumerate() {
            if let Some(place) = place {
                clusters[*place].push(Record { key: KEYS[at], first_seen: (at as i64 * 7) % 4 });
            }
        }
        clusters.retain(|cluster| !cluster.is_empty());
        clusters
    })
}

proptest! {
    #[test]
    fn over_many_runs_ids_stay_unique_and_the_history_tells_all(runs in prop::collection::vec(any_clusters(), 1..7)) {
        let mut state = State::default();
        let mut ever: BTreeSet<String> = BTreeSet::new();
        for clusters in runs {
            let before = state.clone();
            let Assignment { ids, members, founded, redirects, events } = state.run(&clusters);
            prop_assert_eq!(ids.len(), clusters.len());
            let live: BTreeSet<String> = ids.iter().cloned().collect();
            prop_assert_eq!(live.len(), ids.len(), "one id, one cluster");
            for founding in &founded {
                prop_assert!(ever.insert(founding.customer_id.clone()), "a new id never equals an old one");
            }
            for (cluster, id) in clusters.iter().zip(&ids) {
                for record in cluster {
                    let member = Member { record: record.key, customer_id: id.clone(), retired: false };
                    prop_assert!(members.contains(&member));
                }
            }
            prop_assert_eq!(members.iter().filter(|m| !m.retired).count(), clusters.iter().map(Vec::len).sum::<usize>());
            for (from, into) in &redirects {
                prop_assert!(!live.contains(from) && !redirects.contains_key(into));
            }
            // Whoever bore an id that is no more is remembered under it, or the id leads on.
            for id in ever.difference(&live) {
                prop_assert!(redirects.contains_key(id) || members.iter().any(|m| m.customer_id == *id));
            }
            for event in &events {
                if let Event::Split { from, to } = event {
                    prop_assert!(live.contains(from) && founded.iter().any(|founding| founding.customer_id == *to));
                }
            }
            prop_assert_eq!(replay(&before.members, &events), members);
            prop_assert_eq!(state.assign(&clusters).events, vec![]);
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        runs in prop::collection::vec(any_clusters(), 0..4),
        (given, order) in any_clusters().prop_flat_map(|clusters| {
            let places: Vec<usize> = (0..clusters.len()).collect();
            (Just(clusters), Just(places).prop_shuffle())
        }),
    ) {
        let mut state = State::default();
        runs.iter().for_each(|clusters| drop(state.run(clusters)));
        let expected = state.assign(&given);
        let mut turned = state.clone();
        turned.members.reverse();
        turned.foundings.reverse();
        let shuffled: Clusters = order.iter().map(|at| given[*at].iter().rev().cloned().collect()).collect();
        let assignment = turned.assign(&shuffled);
        let ids: Vec<String> = order.iter().map(|at| expected.ids[*at].clone()).collect();
        prop_assert_eq!(assignment, Assignment { ids, ..expected });
    }
}
