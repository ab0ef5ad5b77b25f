//! A reading is recorded, and read again from the file: with other secrets, without the vendor, with the same rows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod reference;

use std::sync::Arc;

use reference::Shop;
use tributary_conformance::cassette::{Recording, Redaction, Replay};
use tributary_conformance::{Credentials, SecretFiles, Size, Subject};
use tributary_connector::http::{Settings, VirtualClock};
use tributary_connector::{AnyFactory, Context, Data, Error, Event, Kind, ReadRequest, State};

/// All pages of a stream, from a base URL.
async fn read(factory: &dyn AnyFactory, config: serde_json::Value, stream: &str) -> Result<Vec<String>, Error> {
    let clock = Arc::new(VirtualClock::new("2026-07-01T00:00:00Z".parse().unwrap()));
    let http = Settings { clock, ..Settings::default() };
    let context = Context { http, ..Context::new("shop", chrono_tz::UTC) };
    let connector = factory.build(config, &context)?;
    let streams = connector.discover().await?;
    let stream = streams.into_iter().find(|found| found.name == stream).unwrap();
    let mut reader = connector.read(ReadRequest::new(stream, State::default())).await?;
    let mut pages = Vec::new();
    while let Some(event) = reader.next().await? {
        if let Event::Page(page) = event {
            let Data::Json(json) = page.data else { panic!("pages are JSON") };
            pages.push(String::from_utf8(json.bytes.to_vec()).unwrap());
        }
    }
    Ok(pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_read_again_without_secrets_and_without_the_vendor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.jsonl");
    let (world, factory) = (Shop.world(Size::Small).unwrap(), Shop.factory());
    let redaction = Redaction::new().personal("name").personal("born");
    let recording = Recording::start(&world.origins()[0], &file, redaction).unwrap();
    let mut config = world.config(Credentials::Good);
    config["base_url"] = recording.url().into();
    let real = read(&*factory, config.clone(), "customers").await.unwrap();
    drop((recording, world));

    let text = std::fs::read_to_string(&file).unwrap();
    for gone in ["canary", "顾客", "127.0.0.1"] {
        assert!(!text.contains(gone), "`{gone}` is in the cassette");
    }

    let replay = Replay::open(&file).unwrap();
    let served = replay.serve().unwrap();
    let secrets = SecretFiles::new().unwrap();
    config["base_url"] = served.url().into();
    config["client_secret"] = secrets.put("secret", "another").unwrap();
    config["refresh_token"] = secrets.put("refresh", "yet another").unwrap();
    let again = read(&*factory, config.clone(), "customers").await.unwrap();
    assert_eq!(replay.unmatched(), Vec::<String>::new());
    let ids = |pages: &[String]| -> Vec<u64> {
        let records = pages.iter().flat_map(|page| serde_json::from_str::<Vec<serde_json::Value>>(page).unwrap());
        records.map(|record| record["id"].as_u64().unwrap()).collect()
    };
    assert_eq!((ids(&again), ids(&again).len()), (ids(&real), 70));

    // A second reading gets the same, and what was not recorded is an error.
    assert_eq!(read(&*factory, config.clone(), "customers").await.unwrap(), again);
    let error = read(&*factory, config, "orders").await.unwrap_err();
    assert_eq!(error.kind, Kind::Protocol);
    assert_eq!(
        replay.unmatched(),
        [r#"there is no `GET /v1/orders` with the parameters ["undated"] in the cassette: none of this path"#]
    );
}

#[test]
fn a_line_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.jsonl");
    std::fs::write(&file, "\n{\"at\":1}\n").unwrap();
    let error = Replay::open(&file).unwrap_err().to_string();
    assert!(error.starts_with("line 2 of the cassette `") && error.ends_with("bad.jsonl` is none"), "{error}");
}
