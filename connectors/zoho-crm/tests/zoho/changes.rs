//! Runs that follow each other while the world goes on, and runs that are broken off.

use serde_json::{Value, json};
use tributary_connector::{Event, State, Stream};
use tributary_sandbox::http::{Disturbance, Fault, Handle, Rule, Scenario};
use tributary_sandbox::zoho::{Crm, Options, Step, serve};

use crate::lake::{Lake, assert_same, truth};
use crate::source::{Client, Source, server, state_after, without_coql};

/// A module's lake over several runs.
struct Runs {
    source: Source,
    stream: Stream,
    lake: Lake,
    state: State,
}

impl Runs {
    async fn new(server: &Handle<Crm>, config: Value, module: &str) -> Self {
        let source = Source::small(server, config, 30);
        let stream = source.stream(module).await;
        Self { source, stream, lake: Lake::default(), state: State::default() }
    }

    async fn run(&mut self) -> Vec<Event> {
        let events = self.source.take(&self.stream, &self.state).await.whole();
        self.keep(&events);
        events
    }

    fn keep(&mut self, events: &[Event]) {
        self.lake.commit(&self.stream, events);
        let after = state_after(events);
        if !after.0.is_empty() {
            self.state = after;
        }
    }

    fn assert_true(&self, server: &Handle<Crm>) {
        assert_same(&self.lake.current(), &truth(server, &self.stream));
    }
}

async fn follows(options: Options, module: &str, config: Value) {
    let server = serve(options, Scenario::default(), 0).unwrap();
    let mut runs = Runs::new(&server, config, module).await;
    runs.run().await;
    for step in [
        Step { seconds: 600, changes: 60, ..Step::default() },
        Step { seconds: 0, changes: 40, ..Step::default() },
        Step { seconds: 0, changes: 40, ..Step::default() },
        Step { seconds: 86_400, changes: 200, ..Step::default() },
        Step { seconds: 30, changes: 30, ..Step::default() },
    ] {
        server.with(|crm| crm.advance(&step));
        runs.run().await;
        runs.assert_true(&server);
    }
}

/// `Deals` and others hold references that a deletion elsewhere empties without a trace, so that only those are compared that
/// do not.
#[tokio::test]
async fn a_lake_follows_its_source_by_query() {
    for module in ["Contacts", "Leads", "Family_Members", "Contacts_X_Accounts"] {
        follows(Options { people: 300, ..Options::default() }, module, json!({ "bulk": "never" })).await;
    }
}

#[tokio::test]
async fn a_lake_follows_its_source_by_list() {
    for module in ["Contacts", "Leads", "Family_Members"] {
        follows(Options { people: 300, ..without_coql() }, module, json!({})).await;
    }
}

#[tokio::test]
async fn a_lake_follows_its_source_after_an_export() {
    follows(Options { people: 300, ..Options::default() }, "Contacts", json!({ "bulk": "always" })).await;
}

/// Whether all that there is was seen, over several runs between which changes become visible in time and late. A record whose
/// later change claims the earlier time has two versions whose order nobody can tell; both must have been seen.
async fn sees_late_changes(lookback: &str) -> bool {
    let server = server();
    let mut runs = Runs::new(&server, json!({ "bulk": "never", "lookback": lookback }), "Contacts").await;
    runs.run().await;
    for _ in 0..6 {
        for late_seconds in [0, 100] {
            server.with(|crm| crm.advance(&Step { seconds: 20, changes: 12, late_seconds, tied: 0 }));
            runs.run().await;
        }
    }
    truth(&server, &runs.stream).iter().all(|(id, record)| runs.lake.has_seen(id, record))
}

#[tokio::test]
async fn changes_that_become_visible_late_are_seen_within_the_lookback() {
    assert!(sees_late_changes("2m").await);
    assert!(!sees_late_changes("1s").await, "the test would not notice a loss");
}

async fn resumes(options: Options, module: &str, config: Value) {
    let server = serve(options, Scenario::default(), 0).unwrap();
    server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 150, ..Step::default() }));
    let source = Source::small(&server, config, 30);
    let stream = source.stream(module).await;
    let events = source.take(&stream, &State::default()).await.whole();
    let truth = truth(&server, &stream);
    let ends: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| matches!(event, Event::Checkpoint(_)))
        .map(|(place, _)| place + 1)
        .collect();
    assert!(!ends.is_empty());
    for end in ends {
        let mut lake = Lake::of(&stream, &events[..end]);
        let rest = source.take(&stream, &state_after(&events[..end])).await.whole();
        lake.commit(&stream, &rest);
        assert_same(&lake.current(), &truth);
    }
}

#[tokio::test]
async fn a_run_that_was_broken_off_at_any_checkpoint_goes_on_by_query() {
    for module in ["Contacts", "Leads", "Family_Members"] {
        resumes(Options { people: 300, ..Options::default() }, module, json!({ "bulk": "never" })).await;
    }
}

#[tokio::test]
async fn a_run_that_was_broken_off_at_any_checkpoint_goes_on_by_list() {
    for module in ["Contacts", "Leads"] {
        resumes(Options { people: 300, ..without_coql() }, module, json!({})).await;
    }
}

#[tokio::test]
async fn a_run_that_was_broken_off_at_any_checkpoint_goes_on_after_an_export() {
    resumes(Options { people: 300, ..Options::default() }, "Contacts", json!({ "bulk": "always" })).await;
}

/// Changes so many contacts in this very second.
fn touch(server: &Handle<Crm>, count: usize, value: &str) -> usize {
    let mut client = Client::new(server);
    let ids = server.with(|crm| crm.ids("Contacts"));
    let emails: Vec<String> = ids
        .iter()
        .filter_map(|id| client.record("Contacts", id)["Email"].as_str().map(str::to_owned))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .take(count)
        .collect();
    for some in emails.chunks(100) {
        let data: Vec<Value> =
            some.iter().map(|email| json!({ "Email": email, "Last_Name": "王", "Mailing_City": value })).collect();
        let body = json!({ "data": data, "duplicate_check_fields": ["Email"] });
        let answer = client.post("/crm/v8/Contacts/upsert", &body);
        assert!(
            answer["data"].as_array().is_some_and(|all| all.iter().all(|one| one["status"] == "success")),
            "{answer}"
        );
    }
    emails.len()
}

#[tokio::test]
async fn more_records_of_one_second_than_a_page_holds_are_all_seen() {
    for options in [Options { people: 500, ..Options::default() }, Options { people: 500, ..without_coql() }] {
        let server = serve(options, Scenario::default(), 0).unwrap();
        let mut runs = Runs::new(&server, json!({ "bulk": "never" }), "Contacts").await;
        runs.run().await;
        server.with(|crm| crm.clock().pass(3_600));
        let tied = touch(&server, 100, "宁波市");
        assert_eq!(tied, 100);
        // Long after, so that the second is in the past, and right now.
        server.with(|crm| crm.clock().pass(3_600));
        runs.run().await;
        runs.assert_true(&server);
        touch(&server, 70, "温州市");
        runs.run().await;
        runs.assert_true(&server);
        touch(&server, 50, "绍兴市");
        runs.run().await;
        runs.assert_true(&server);
    }
}

#[tokio::test]
async fn a_first_load_shows_more_records_of_one_second_than_a_page_holds() {
    for options in [Options { people: 500, ..Options::default() }, Options { people: 500, ..without_coql() }] {
        let server = serve(options, Scenario::default(), 0).unwrap();
        server.with(|crm| crm.clock().pass(3_600));
        touch(&server, 100, "宁波市");
        server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 20, ..Step::default() }));
        let mut runs = Runs::new(&server, json!({ "bulk": "never" }), "Contacts").await;
        runs.run().await;
        runs.assert_true(&server);
    }
}

/// Rows are made, changed and removed before each page; then the world stands still and one more run follows.
async fn disturbed(options: Options, path: &str, module: &str, config: Value) {
    let rule = Rule::once(path, Fault::Disturb(Disturbance::MoveRows { changes: 25 })).from(2).times(8);
    let server = serve(options, Scenario::default().with(rule), 0).unwrap();
    let mut runs = Runs::new(&server, config, module).await;
    runs.run().await;
    server.misbehave(Scenario::default());
    let first: std::collections::BTreeSet<_> = runs.lake.ids();
    let now = server.with(|crm| crm.ids(module));
    assert!(now.iter().filter(|id| first.contains(*id)).count() * 10 > now.len() * 9);
    runs.run().await;
    runs.assert_true(&server);
}

#[tokio::test]
async fn rows_that_move_while_they_are_read_are_not_lost() {
    let small = || Options { people: 300, ..Options::default() };
    disturbed(small(), "/crm/v8/coql", "Contacts", json!({ "bulk": "never" })).await;
    disturbed(small(), "/crm/v8/Leads", "Leads", json!({ "bulk": "never" })).await;
    disturbed(Options { people: 300, ..without_coql() }, "/crm/v8/Contacts", "Contacts", json!({})).await;
    disturbed(Options { people: 300, ..without_coql() }, "/crm/v8/Family_Members", "Family_Members", json!({})).await;
    disturbed(small(), "/crm/bulk/v8/read/*", "Contacts", json!({ "bulk": "always" })).await;
}

#[tokio::test]
async fn a_record_that_was_deleted_is_gone_and_deletions_are_read_after_changes() {
    let server = server();
    let mut runs = Runs::new(&server, json!({ "bulk": "never" }), "Contacts").await;
    runs.run().await;
    let done = server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 300, ..Step::default() }));
    assert!(done.deleted.iter().any(|(module, _)| module == "Contacts"));
    let events = runs.run().await;
    runs.assert_true(&server);
    let ops: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Page(page) => Some(page.op.as_str()),
            _ => None,
        })
        .collect();
    assert!(ops.is_sorted_by(|one, other| one == other || *one == "upsert"), "{ops:?}");
    assert!(ops.contains(&"delete"));
}

#[tokio::test]
async fn after_two_months_deletions_are_found_by_reading_all() {
    let server = server();
    let mut runs = Runs::new(&server, json!({ "bulk": "never" }), "Contacts").await;
    runs.run().await;
    server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 300, ..Step::default() }));
    server.with(|crm| crm.clock().pass(70 * 86_400));
    let events = runs.run().await;
    // One checkpoint and at the very end, so that all of it can be refused.
    assert!(matches!(events.as_slice(), [.., Event::Withdraw(_), Event::Checkpoint(_)]));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Checkpoint(_))).count(), 1);
    runs.assert_true(&server);
    server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 100, ..Step::default() }));
    let events = runs.run().await;
    assert!(!events.iter().any(|event| matches!(event, Event::Withdraw(_))));
    runs.assert_true(&server);
}

#[tokio::test]
async fn rows_of_subforms_that_went_with_their_record_are_gone() {
    let server = server();
    let mut runs = Runs::new(&server, json!({ "bulk": "never" }), "Family_Members").await;
    runs.run().await;
    let before = runs.lake.ids().len();
    let unchanged = runs.run().await;
    assert!(matches!(unchanged.as_slice(), [Event::Unchanged { .. }]));
    server.with(|crm| crm.advance(&Step { seconds: 86_400, changes: 400, ..Step::default() }));
    runs.run().await;
    runs.assert_true(&server);
    assert!(runs.lake.ids().len() < before);
}
