//! Check, discover, and what they say when something is wrong.

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::json;
use tributary_connector::http::{Folder, Settings};
use tributary_connector::{Cursor, Deletes, Kind, Retry};
use tributary_sandbox::http::{Disturbance, Fault, Rule, Scenario};

use crate::harness::{CUSTOM, Fx, OBJECTS, options};

#[tokio::test]
async fn all_objects_are_found_with_typed_columns() {
    let fx = Fx::new(options(40));
    let connector = fx.connector(json!({}));
    connector.check().await.unwrap();
    let streams = connector.discover().await.unwrap();
    assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), OBJECTS);
    for stream in &streams {
        assert_eq!(stream.primary_key, ["_id"]);
        assert_eq!(stream.version.as_deref(), Some("last_modified_time"));
        assert_eq!(stream.cursor, Cursor::Column("last_modified_time".into()));
        assert_eq!(stream.deletes, Deletes::Feed);
        let at = stream.schema.field_with_name("last_modified_time").unwrap();
        assert_eq!(*at.data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    }
    let order = &streams[4].schema;
    assert_eq!(*order.field_with_name("order_amount").unwrap().data_type(), DataType::Decimal128(19, 4));
}

#[tokio::test]
async fn what_is_not_wanted_is_named_and_not_asked_about() {
    let fx = Fx::new(options(10));
    let connector = fx.try_connector(json!({}), &fx.context(Some(&[CUSTOM]))).unwrap();
    let streams = connector.discover().await.unwrap();
    let with_columns: Vec<_> =
        streams.iter().filter(|stream| !stream.schema.fields().is_empty()).map(|stream| stream.name.as_str()).collect();
    assert_eq!((streams.len(), with_columns), (OBJECTS.len(), vec![CUSTOM]));
    let described = fx.server.requests().iter().filter(|entry| entry.path.ends_with("/describe")).count();
    assert_eq!(described, 1);
}

#[tokio::test]
async fn a_wrong_secret_a_missing_quota_and_a_missing_employee_are_told_apart() {
    let fx = Fx::new(options(10));
    let error = fx.connector(json!({"app_secret": fx.secret("wrong")})).check().await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Auth, Retry::Never));
    assert!(error.message.contains("10006") && error.hint.as_ref().unwrap().contains("`app_secret`"), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
    let error = fx.connector(json!({"app_secret": {"env": "TRIBUTARY_NO_SUCH"}})).check().await.unwrap_err();
    assert_eq!(error.message, "`AccountObj`: environment variable `TRIBUTARY_NO_SUCH` is not set");
    let error = fx.connector(json!({"user": "9999"})).check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.hint.unwrap().contains("`user`"));
    let none = Fx::new({
        let mut options = options(10);
        options.limits.calls_per_day = 0;
        options
    });
    let error = none.connector(json!({})).check().await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Quota, Retry::Never));
    assert!(error.hint.unwrap().contains("buys"));
}

#[tokio::test]
async fn a_missing_permission_is_told_to_who_names_the_object_and_passed_over_otherwise() {
    let fx = Fx::new(options(10));
    let body = r#"{"errorCode":20023,"errorMessage":"no","errorDescription":"x"}"#;
    let refused = Fault::Answer { status: 200, content_type: "application/json".into(), body: body.into() };
    fx.server.misbehave(Scenario::default().with(Rule::once("*/describe", refused.clone())));
    let error = fx.connector(json!({})).check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.hint.unwrap().contains("permission"));
    fx.server.misbehave(Scenario::default().with(Rule::once("*/describe", refused)));
    let streams = fx.connector(json!({})).discover().await.unwrap();
    assert!(streams[0].schema.fields().is_empty() && !streams[1].schema.fields().is_empty());
}

#[tokio::test]
async fn the_old_generation_finds_its_employee_by_mobile() {
    let fx = Fx::new(options(10));
    let legacy = |more: serde_json::Value| {
        let mut config = json!({"auth": "legacy", "user": null});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fx.connector(config)
    };
    legacy(json!({"mobile": "13800138000"})).check().await.unwrap();
    let open_id = fx.server.with(|tenant| tenant.open_user_id("1000").unwrap().to_owned());
    legacy(json!({"open_user_id": open_id})).check().await.unwrap();
    let error = legacy(json!({"mobile": "13900000000"})).check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.message.contains("`mobile`") && !error.message.contains("139"), "{}", error.message);
}

#[tokio::test]
async fn one_token_serves_all_streams_and_a_spent_one_is_replaced_once() {
    let fx = Fx::new(options(10));
    let connector = fx.connector(json!({}));
    let (one, other) = tokio::join!(connector.check(), connector.discover());
    one.unwrap();
    other.unwrap();
    let tokens = || fx.server.requests().iter().filter(|entry| entry.path.starts_with("/oauth2.0")).count();
    assert_eq!(tokens(), 1);
    fx.server.misbehave(Scenario::default().with(Rule::once("*/describe", Fault::Disturb(Disturbance::ExpireTokens))));
    connector.check().await.unwrap();
    assert_eq!(tokens(), 2);
    fx.server.misbehave(Scenario::default().with(Rule::once("*/describe", Fault::Disturb(Disturbance::RevokeTokens))));
    let error = connector.check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth, "{error:?}");
}

#[tokio::test]
async fn a_token_is_shared_with_other_processes_and_never_between_two_tenants() {
    let fx = Fx::new(options(10));
    let folder = tempfile::tempdir().unwrap();
    let mut context = fx.context(None);
    let key = tributary_connector::Secret::new("0123456789abcdef0123456789abcdef".into());
    context.http = Settings { folder: Some(Folder::at(folder.path())), token_key: Some(key), ..context.http };
    for _ in 0..2 {
        fx.try_connector(json!({}), &context).unwrap().check().await.unwrap();
    }
    let tokens = || fx.server.requests().iter().filter(|entry| entry.path.starts_with("/oauth2.0")).count();
    assert_eq!(tokens(), 1);
    let other_code = json!({"permanent_code": fx.secret("wrong")});
    let error = fx.try_connector(other_code, &context).unwrap().check().await.unwrap_err();
    assert_eq!((error.kind, tokens()), (Kind::Auth, 2));
}

#[tokio::test]
async fn values_that_do_not_fit_together_are_refused_before_anything_is_asked() {
    let fx = Fx::new(options(10));
    let refused = |more| fx.try_connector(more, &fx.context(None)).err().unwrap().kind;
    assert_eq!(refused(json!({"user": null})), Kind::Config);
    assert_eq!(refused(json!({"auth": "legacy"})), Kind::Config);
    assert_eq!(refused(json!({"base_url": "http://example.com"})), Kind::Config);
    assert_eq!(refused(json!({"lookback": "soon"})), Kind::Config);
    assert_eq!(refused(json!({"app_secret": "literal"})), Kind::Config);
    assert!(fx.server.requests().is_empty());
}

#[test]
fn the_mapping_is_toml_of_streams_that_there_are() {
    let mut registry = tributary_connector::Registry::new();
    tributary_fxiaoke::register(&mut registry);
    let mapping: toml::Table = registry.get("fxiaoke").unwrap().mapping().parse().unwrap();
    let maps = mapping["map"].as_array().unwrap();
    for map in maps {
        let from = map["from"].as_str().unwrap();
        assert!(
            OBJECTS.contains(&from)
                || ["PaymentObj", "RefundObj", "ProductObj", "MemberIntegralDetailObj"].contains(&from),
            "{from}"
        );
    }
}
