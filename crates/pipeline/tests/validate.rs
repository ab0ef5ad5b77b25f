//! A pipeline held against connectors, model and columns.

mod support;

use support::{World, both, cases, checked, pipeline, registry};
use tributary_pipeline::{json_schema, validate};

const HEAD: &str = "name = \"p\"\nlake = \"lake\"\n";
const STORES: &str = "name = \"p\"\nlake = \"lake\"\n[sources.stores]\nconnector = \"files\"\npath = \"x\"\n";

fn files(keys: &str) -> String {
    format!("{HEAD}[sources.a]\nconnector = \"files\"\n{keys}\n")
}

fn zoho(keys: &str) -> String {
    format!("{HEAD}[sources.crm]\nconnector = \"zoho-crm\"\n{keys}\n")
}

fn map(keys: &str) -> String {
    format!("{STORES}[[map]]\nfrom = \"stores.members\"\nto = \"party\"\n{keys}\n")
}

#[test]
fn a_good_pipeline_has_nothing_to_report() {
    let pipeline = pipeline(include_str!("data/omnichannel.toml"));
    let found = validate(&pipeline, &registry(), &World, &World, &World);
    assert_eq!(tributary_pipeline::diagnostic::render(&found, false), "");
}

#[test]
fn four_errors_of_four_kinds_are_reported_at_once() {
    let text = format!(
        "{STORES}colour = 1\n\n[sources.crm]\nconnector = \"zoho-crn\"\nclient_secret = \"hunter2\"\n\n[[map]]\nfrom = \"stores.members\"\nto = \"party\"\nfields = {{ name = {{ column = \"姓名\" }} }}\n"
    );
    assert_eq!(both(&text).len(), 4);
    let shown = checked(&text);
    assert!(!shown.contains("hunter2"));
    insta::assert_snapshot!(shown);
    let at_the_top = text.replace("colour = 1\n", "").replace("lake = ", "lak = ");
    assert_eq!(both(&at_the_top).len(), 4);
}

#[test]
fn a_connector_s_keys_are_checked_by_its_schema() {
    insta::assert_snapshot!(cases(
        checked,
        &[
            ("an unknown key of the connector's", &files("path = \"x\"\nencodng = \"utf8\"")),
            ("an unknown key of ours", &files("path = \"x\"\ntimezon = \"UTC\"")),
            ("a missing key", &files("")),
            ("a missing key that is misspelt", &files("pth = \"x\"")),
            ("wrong types", &files("path = 3\nheader_rows = \"one\"\ncolumns = [\"a\", 3]\nencoding = 5")),
            ("out of bounds", &files("path = \"x\"\nheader_rows = 300")),
            ("a choice with descriptions", &files("path = \"x\"\nencoding = \"utf-8\"")),
            (
                "a choice without",
                &zoho("data_center = \"china\"\nclient_id = { env = \"A\" }\nclient_secret = { env = \"B\" }")
            ),
            ("a tag that is missing", &files("path = \"x\"\nformat = { lines = true }")),
            ("a tag that is unknown", &files("path = \"x\"\nformat = { kind = \"cvs\" }")),
            ("a key of another tag", &files("path = \"x\"\nformat = { kind = \"csv\", lines = true }")),
            ("a type within a tag", &files("path = \"x\"\nformat.kind = \"json\"\nformat.lines = \"yes\"")),
            ("a table where a word is", &files("path = \"x\"\nformat = \"csv\"")),
            ("values that do not fit together", &files("path = \"../x\"")),
            ("a connector that is unknown", &files("path = \"x\"").replace("\"files\"", "\"kafka\"")),
        ]
    ));
}

#[test]
fn secrets_known_by_schema_are_refused_and_not_shown() {
    let text = cases(
        checked,
        &[
            ("a literal", &zoho("client_id = \"hunter2\"\nclient_secret = { env = \"B\" }")),
            (
                "a literal whose name says so too is reported once",
                &zoho("client_id = { env = \"A\" }\nclient_secret = \"hunter2\"\nrefresh_token = \"hunter2\""),
            ),
            (
                "a literal deeper down",
                &zoho(
                    "client_id = { env = \"A\" }\nclient_secret = { env = \"B\" }\nheaders = { X-App = \"hunter2\" }",
                ),
            ),
            (
                "a literal within a table",
                &zoho("client_id = { vale = \"hunter2\" }\nclient_secret = { env = \"B\", file = \"c\" }"),
            ),
            ("a reference of the wrong type", &zoho("client_id = { command = \"pass show\" }\nclient_secret = {}")),
            ("missing", &zoho("client_id = { env = \"A\" }")),
            (
                "on the line of another error",
                &format!(
                    "{HEAD}sources.crm = {{ connector = \"zoho-crm\", client_id = \"hunter2\", page_size = -1, client_secret = {{ env = \"B\" }} }}\n"
                ),
            ),
            (
                "of a connector that is unknown",
                &format!("{HEAD}sources.crm = {{ connector = \"zoho\", dsn = \"hunter2\" }}\n"),
            ),
            (
                "in a URL",
                &format!(
                    "{HEAD}sources.a = {{ connector = \"files\", path = \"ftp://me:hunter2@host/x\", pth = 1 }}\n"
                ),
            ),
        ],
    );
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn maps_are_checked_against_model_and_columns() {
    insta::assert_snapshot!(cases(
        checked,
        &[
            ("an unknown entity", &map("").replace("\"party\"", "\"partyy\"")),
            ("an unknown field", &map("fields = { brithday = \"birth\", shoe_size = \"birth\" }")),
            ("an unknown type of identifier", &map("identifiers = [{ type = \"fone\", value = \"mobile\" }]")),
            ("an unknown source", &map("").replace("\"stores.members\"", "\"store.members\"")),
            ("an unknown stream", &map("").replace("\"stores.members\"", "\"stores.member\"")),
            ("a stream that is not read", &map("").replace("path = \"x\"", "path = \"x\"\nstreams = [\"tickets\"]")),
            (
                "a stream that is not there",
                &map("").replace("path = \"x\"", "path = \"x\"\nstreams = [\"members\", \"tickts\"]")
            ),
            (
                "limits of streams that are not read",
                &map("").replace(
                    "path = \"x\"",
                    "path = \"x\"\nstreams = [\"members\"]\nmax_rejected = { members = 3, member = \"1%\" }"
                )
            ),
            (
                "columns",
                &map(
                    "fields = { name = { column = \"姓名\" }, birthday = { column = \"birht\" } }\nidentifiers = [{ type = \"phone\", value = { column = \"phone\" }, scope = { column = \"shop\" } }]"
                )
            ),
            (
                "SQL everywhere",
                &map(
                    "where = \"statu <> 'closed'\"\nkey = [\"card_no\", \"card\"]\nfields = { name = \"upper\" }\nidentifiers = [{ type = \"phone\", value = \"m\", valid_from = \"u\" }]"
                )
            ),
            ("SQL after wide characters and escapes", &map("where = \"status = '停用\\u0020' , x\"")),
            ("SQL over several lines", &map("where = \"\"\"\n  status = 'a' ,\n  staus = 'b'\"\"\"")),
            (
                "elements of a list",
                &format!(
                    "{STORES}[[map]]\nfrom = \"stores.tickets\"\nto = \"order_line\"\neach = \"line\"\nfields = {{ sku = {{ column = \"skuu\" }}, quantity = \"qty\" }}\n"
                )
            ),
        ]
    ));
}

#[test]
fn what_nobody_has_looked_at_is_passed_over() {
    let text = format!(
        "{HEAD}[sources.a]\nconnector = \"files\"\npath = \"x\"\n[[map]]\nfrom = \"a.b\"\nto = \"party\"\nfields = {{ name = \"no such thing\" }}\n"
    );
    assert_eq!(checked(&text), "");
}

#[test]
fn merge_rules_are_checked_against_model_and_sources() {
    insta::assert_snapshot!(cases(
        checked,
        &[
            ("a type of identifier", &format!("{HEAD}[merge.identifiers]\nphne = {{ strength = \"strong\" }}\n")),
            ("a field", &format!("{HEAD}[merge.survivorship]\nadress = \"most_recent\"\n")),
            (
                "a source",
                &format!(
                    "{STORES}[merge.survivorship]\nphone = {{ prefer = [\"stors\", \"stores\", \"elsewhere\"] }}\n"
                )
            ),
        ]
    ));
}

#[test]
fn a_cluster_needs_a_lake_that_all_machines_see() {
    let text = format!("{HEAD}[engine]\ncluster = \"df://host:50050\"\n");
    let everywhere = checked(&text.replace("\"lake\"", "\"s3://bucket/lake\""));
    if tributary_engine::CLUSTER {
        assert_eq!(everywhere, "");
    } else {
        insta::assert_snapshot!("a_program_without_clusters_says_so", everywhere);
        insta::assert_snapshot!(checked(&text));
    }
}

#[test]
fn editors_get_our_keys_and_each_connector_s() {
    let schema = json_schema(&registry());
    let files = schema.pointer("/$defs/source.files").unwrap();
    assert_eq!(files["properties"]["connector"]["const"], "files");
    assert!(files["properties"]["timezone"]["description"].is_string() && files["properties"]["path"].is_object());
    assert_eq!(files["additionalProperties"], false);
    assert_eq!(files["required"], serde_json::json!(["path", "connector"]));
    // Every reference leads somewhere.
    let text = schema.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(schema.pointer(pointer).is_some(), "{pointer}");
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
}
