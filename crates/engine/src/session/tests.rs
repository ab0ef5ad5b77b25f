#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::object_store::memory::InMemory;
use datafusion::physical_plan::displayable;
use futures::TryStreamExt;
use tributary_lake::Location;

use super::*;

const ROWS: i64 = 1_000_000;
/// A tenth of what the rows and their sorted copies take.
const MEMORY: usize = 4 << 20;

async fn session() -> Session {
    let location = Location {
        text: "memory".into(),
        url: "memory:///lake/".parse().unwrap(),
        store: Arc::new(InMemory::new()),
        prefix: "lake".into(),
        local: false,
    };
    let lake = Lake::open_or_create(location, Some("test"), false).await.unwrap();
    let session = Session::new(&lake, &Options { partitions: Some(4), memory: MEMORY, ..Options::default() }).unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    // In an order that is neither up nor down.
    let numbers = |from: i64| Int64Array::from_iter_values((from..from + 8000).map(|n| n * 7_919 % ROWS));
    let batch = |from| RecordBatch::try_new(schema.clone(), vec![Arc::new(numbers(from))]).unwrap();
    let batches = (0..ROWS).step_by(8000).map(batch).collect();
    session.register_batches(&TableName::new("clean", "number"), schema.clone(), batches).unwrap();
    session
}

const SQL: &str = "SELECT n FROM clean.number UNION ALL SELECT n FROM clean.number ORDER BY n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorts_in_sessions_of_their_own_go_on_beside_each_other_however_much_they_sort() {
    let session = session().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let apart = session.apart(session.memory()).unwrap();
        let plan = apart.sql("test", SQL).await.unwrap().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        assert_eq!(plan.matches("SortExec").count(), 1, "{plan}");
        assert!(plan.contains("CoalescePartitionsExec"), "{plan}");
        streams.push(apart.stream("test", SQL).await.unwrap());
    }
    // One row of each in turn, as those read who hold one group at a time.
    let (mut next, mut one) = (0, streams.pop().unwrap());
    while let Some(first) = one.try_next().await.unwrap() {
        for other in &mut streams {
            assert_eq!(other.try_next().await.unwrap().unwrap(), first);
        }
        for n in first.column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*n, next / 2);
            next += 1;
        }
    }
    assert_eq!(next, 2 * ROWS);
}

#[tokio::test]
async fn a_session_apart_has_the_tables_and_leaves_nothing_behind() {
    let session = session().await;
    let apart = session.apart(MEMORY).unwrap();
    assert_eq!(apart.count("test", "SELECT count(*) FROM clean.number").await.unwrap(), ROWS.unsigned_abs());
    let function = KeyOf::new();
    apart.register_function(ScalarUDF::from(function).with_aliases(["key_of_another"]));
    let sql = "SELECT count(key_of_another('', n)) FROM clean.number WHERE n < 0";
    assert!(apart.sql("test", sql).await.is_ok());
    assert!(session.sql("test", sql).await.is_err());
}
