//! What a file says of itself, and every message about it.

mod support;

use std::path::Path;

use support::{cases, parsed, pipeline};
use tributary_pipeline::config::{AsOf, DateOrder, FieldExpr, MaxRejected, Rule, Strategy, Strength, Unit};
use tributary_pipeline::{parse, parse_bytes};

/// The pipeline of the design page.
const WHOLE: &str = include_str!("data/omnichannel.toml");
const HEAD: &str = "name = \"p\"\nlake = \"lake\"\n";

#[test]
fn a_whole_file_is_read() {
    let pipeline = pipeline(WHOLE);
    assert_eq!((pipeline.name.as_str(), pipeline.lake.as_str()), ("omnichannel", "lake/omnichannel"));
    let schedule = pipeline.schedule.clone().unwrap();
    assert_eq!((schedule.cron.as_str(), schedule.timezone.name()), ("*/30 * * * *", "Asia/Shanghai"));
    let names: Vec<_> = pipeline.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["crm", "stores", "shop"]);
    assert_eq!(pipeline.engine.memory.as_ref().map(|memory| memory.value), Some(512_000_000));

    let crm = pipeline.source("crm").unwrap();
    let streams: Vec<_> = crm.streams.iter().flatten().map(|stream| stream.as_str()).collect();
    assert_eq!(streams, ["Contacts", "Leads", "Deals"]);
    assert_eq!((crm.timezone.name(), crm.region.as_deref(), crm.currency.as_deref()), ("UTC", None, None));
    assert_eq!((crm.batch_rows, crm.max_rejected), (1_000_000, None));
    assert_eq!(
        crm.config,
        serde_json::json!({
            "data_center": "cn",
            "client_id": { "env": "ZOHO_CLIENT_ID" },
            "client_secret": { "env": "ZOHO_CLIENT_SECRET" },
            "refresh_token": { "file": "/run/secrets/zoho" },
        })
    );

    let stores = pipeline.source("stores").unwrap();
    assert_eq!((stores.region.as_deref(), stores.currency.as_deref()), (Some("CN"), Some("CNY")));
    assert_eq!((stores.date_order, stores.max_rejected), (DateOrder::Dmy, Some(MaxRejected::Share(0.01))));
    assert_eq!(stores.cron.as_ref().map(|cron| cron.as_str()), Some("0 3 * * *"));
    assert!(stores.config.get("timezone").is_none());

    let [members, lines] = pipeline.maps.as_slice() else { panic!("two maps") };
    assert_eq!(
        (members.from.source.as_str(), members.from.stream.as_str(), members.to.as_str()),
        ("stores", "members", "party")
    );
    assert_eq!(members.key.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["card_no"]);
    let targets: Vec<_> = members.fields.iter().map(|(target, _)| target.as_str()).collect();
    assert_eq!(targets, ["name", "birthday", "source_ts", "gender"]);
    assert!(matches!(&members.fields[0].1, FieldExpr::Column(column) if column.value == "姓名(必填)"));
    assert!(matches!(&members.fields[1].1, FieldExpr::Sql(sql) if sql.value == "birth"));
    assert!(matches!(&members.fields[3].1, FieldExpr::Constant(text) if text.value == "0"));
    assert_eq!(members.identifiers[0].type_.value, "member_no");
    assert!(matches!(&members.identifiers[0].scope, Some(FieldExpr::Constant(text)) if text.value == "stores"));
    assert_eq!(lines.each.as_ref().map(|each| each.as_str()), Some("lines"));
    assert_eq!(lines.key.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["order_id", "sku"]);

    let merge = pipeline.merge.clone().unwrap();
    let phone = &merge.identifiers["phone"];
    assert_eq!((phone.strength, phone.max_names, phone.unique, phone.priority), (Strength::Strong, Some(2), false, 0));
    assert_eq!(phone.max_records_per_source, Some(3));
    assert_eq!(merge.identifiers["email"].max_names, Some(3));
    assert_eq!(merge.survivorship.default, Strategy::MostRecent);
    assert!(matches!(&merge.survivorship.fields[0].1, Rule::Prefer(sources) if sources.len() == 3));

    let mart = pipeline.mart.clone().unwrap();
    assert_eq!((mart.as_of, mart.rfm.window_days), (AsOf::Date("2024-06-30".parse().unwrap()), 180));
    assert_eq!(mart.summary.unwrap().unit, Unit::Week);
    assert_eq!(mart.lifecycle.loyal_orders, 4);
}

#[test]
fn places_are_those_of_the_file() {
    let pipeline = pipeline(WHOLE);
    let at = |span: tributary_pipeline::Span| &WHOLE[span.start..span.end];
    let members = &pipeline.maps[0];
    assert_eq!(at(members.span), "[[map]]");
    assert_eq!(pipeline.line(members.span), 1 + WHOLE[..WHOLE.find("[[map]]").unwrap()].matches('\n').count());
    assert_eq!((at(members.from.source.span), at(members.from.stream.span)), ("stores", "members"));
    assert_eq!(at(members.fields[0].0.span), "name");
    assert_eq!(at(members.fields[0].1.span()), "\"姓名(必填)\"");
    let where_ = members.where_.as_ref().unwrap();
    assert_eq!(at(pipeline.inside(where_, 0..6)), "status");
    let stores = pipeline.source("stores").unwrap();
    assert_eq!((at(stores.key_span("path")), at(stores.value_span("path"))), ("path", "\"exports/pos/**/*.csv\""));
    assert_eq!(at(stores.key_span("no_such_key")), "[sources.stores]");
}

#[test]
fn absent_tables_and_empty_ones_are_told_apart() {
    let none = pipeline(HEAD);
    assert!(none.merge.is_none() && none.mart.is_none() && none.sources.is_empty());
    let empty = pipeline(&format!("{HEAD}[merge]\n[mart]\n"));
    let merge = empty.merge.unwrap();
    assert_eq!(merge.identifiers.len(), 7);
    assert_eq!(merge.identifiers["member_no"].max_names, None);
    assert_eq!(empty.mart.unwrap().rfm.window_days, 365);
}

#[test]
fn dotted_keys_inline_tables_and_headers_mean_the_same() {
    let headers = "[sources.a]\nconnector = \"files\"\npath = \"x\"\n[[map]]\nfrom = \"a.b\"\nto = \"party\"\n[map.fields]\nname = { column = \"n\" }\n";
    let dotted = "sources.a.connector = \"files\"\nsources.a.path = \"x\"\n[[map]]\nfrom = \"a.b\"\nto = \"party\"\nfields.name.column = \"n\"\n";
    let inline = "sources = { a = { connector = \"files\", path = \"x\" } }\nmap = [{ from = \"a.b\", to = \"party\", fields = { name = { column = \"n\" } } }]\n";
    let [headers, dotted, inline] = [headers, dotted, inline].map(|text| pipeline(&format!("{HEAD}{text}")));
    for other in [dotted, inline] {
        assert_eq!(headers.maps[0].fingerprint(), other.maps[0].fingerprint());
        assert_eq!(headers.sources[0].config, other.sources[0].config);
    }
}

#[test]
fn layout_does_not_change_fingerprints_and_meaning_does() {
    let map = |text: &str| pipeline(&format!("{HEAD}{text}")).maps[0].fingerprint();
    let one = map(
        "[[map]]\nfrom = \"a.b\"\nto = \"party\"\nwhere = \"x  =\\n 1\"\nfields = { name = \"n\", birthday = \"b\" }\n",
    );
    let moved = map(
        "# moved\n\n[[map]]\nto = \"party\"\nfrom = 'a.b'\nwhere = \"\"\"\nx =\n  1\"\"\"\n[map.fields]\nbirthday = \"b\"\nname = { sql = \"n\" }\n",
    );
    let crlf = map(
        "[[map]]\r\nfrom = \"a.b\"\r\nto = \"party\"\r\nwhere = \"\"\"x\r\n = 1\"\"\"\r\nfields = { name = \"n\", birthday = \"b\" }\r\n",
    );
    let other = map(
        "[[map]]\nfrom = \"a.b\"\nto = \"party\"\nwhere = \"x = 2\"\nfields = { name = \"n\", birthday = \"b\" }\n",
    );
    assert_eq!(one, moved);
    assert_eq!(one, crlf);
    assert_ne!(one, other);
    insta::assert_snapshot!(one, @r#"{"each":null,"fields":{"birthday":{"sql":"b"},"name":{"sql":"n"}},"from":["a","b"],"identifiers":[],"key":[],"to":"party","where":"x = 1"}"#);

    let source =
        |keys: &str| pipeline(&format!("{HEAD}[sources.a]\nconnector = \"files\"\n{keys}")).sources[0].fingerprint();
    assert_eq!(source("path = \"x\""), source("path = \"y\"\nbatch_rows = 5"));
    assert_eq!(source("timezone = \"Asia/Shanghai\""), source("timezone = \"Asia/Shanghai\"\nregion = \"CN\""));
    assert_ne!(source("timezone = \"Asia/Shanghai\""), source("timezone = \"Asia/Shanghai\"\nregion = \"HK\""));

    let merge = |keys: &str| pipeline(&format!("{HEAD}[merge]\n{keys}")).merge.unwrap();
    let (plain, prefer) = (merge(""), merge("survivorship.phone.prefer = [\"a\"]"));
    assert_eq!(plain.identity_fingerprint(), prefer.identity_fingerprint());
    assert_ne!(plain.survivorship_fingerprint(), prefer.survivorship_fingerprint());
    assert_ne!(plain.fingerprint(), prefer.fingerprint());

    let mart = |keys: &str| pipeline(&format!("{HEAD}[mart]\n{keys}")).mart.unwrap().fingerprint();
    assert_eq!(mart(""), mart("as_of = \"run_date\"\nrfm = { window_days = 365 }"));
    assert_ne!(mart(""), mart("as_of = 2024-06-30"));
}

#[test]
fn syntax_errors_are_shown_with_the_rest_of_the_file() {
    insta::assert_snapshot!(cases(
        parsed,
        &[
            ("text without quotes, and more below", "name = \"p\"\nlake = lake/x\nscheduel = 1\n"),
            ("a string that is not closed", "name = \"p\nlake = \"lake\"\n"),
            ("a header that is not closed", "name = \"p\"\nlake = \"lake\"\n[sources.crm\nconnector = 1\n"),
            ("a path with backslashes", "name = \"p\"\nlake = \"C:\\lake\"\n"),
            ("a table that is not closed", "name = \"p\"\nlake = \"lake\"\nengine = { memory = \"1GB\"\n[mart]\n"),
            ("a list that is not closed", "name = \"p\"\nlake = \"lake\"\nmap = [\n{ from = \"a.b\" }\n"),
            ("two on one line", "name = \"p\" lake = \"lake\"\n"),
            ("no sign between", "name \"p\"\nlake = \"lake\"\n"),
            ("a string that is not closed before others", "name = 'p\nlake = \"lake\"\nlak = 1\n"),
            ("a literal over several lines that is not closed", "name = \"p\"\nlake = '''lake\n"),
            ("no value", "name =\nlake = \"lake\"\n"),
            ("a key twice", "name = \"p\"\nlake = \"lake\"\nname = \"q\"\nlak = 1\n"),
            (
                "a source twice",
                "name = \"p\"\nlake = \"lake\"\n[sources.a]\nconnector = \"files\"\n[sources.a]\nconnector = \"files\"\n"
            ),
            ("two broken lines", "name = p\nlake = \"lake\"\nseed = [1 2]\n"),
            ("a multi-line string that is not closed", "name = \"p\"\nlake = \"\"\"lake\n[mart]\n"),
            (
                "a number that is too large",
                "name = \"p\"\nlake = \"lake\"\n[mart.rfm]\nwindow_days = 99999999999999999999\n"
            ),
            ("no number", "name = \"p\"\nlake = \"lake\"\n[mart.lifecycle]\nat_risk_quantile = nan\n"),
        ]
    ));
}

#[test]
fn a_secret_is_not_shown_even_where_the_file_is_broken() {
    for text in [
        "name = \"p\"\n[sources.a]\npassword = \"hunter2\n",
        "name = \"p\"\n[sources.a]\npassword = hunter2\n",
        "name = \"p\"\n[sources.a]\nx = { password = \"hunter2\", y = }\n",
        "name = \"p\"\n[sources.a]\ntoken = \"\"\"\nhunter2\n",
        "name = \"p\"\n[sources.a]\npassword = \"hunter2\" \"hunter2\"\n",
    ] {
        let shown = parsed(text);
        assert!(!shown.is_empty() && !shown.contains("hunter2"), "{shown}");
    }
    let bytes = b"[sources.a]\npassword = \"hunter2\", x = \"\xd5\xc5\"\n";
    let shown = parse_bytes(Path::new("p.toml"), bytes).diagnostics[0].to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_secret_is_not_shown_wherever_the_file_ends_or_lacks_a_byte() {
    let text = format!(
        "{HEAD}[sources.a]\nconnector = \"zoho-crm\"\npassword = \"hunter2\"\nclient_id = 'hunter2'\nx = {{ token = \"\"\"\nhunter2\"\"\", dsn = \"hunter2\" }}\n[[map]]\nfrom = \"a.b\"\nto = 3\n"
    );
    for at in 0..text.len() {
        for broken in [text[..at].to_owned(), format!("{}{}", &text[..at], &text[at + 1..])] {
            let shown = parsed(&broken);
            assert!(!shown.contains("hunter2"), "{broken}\n\n{shown}");
        }
    }
}

#[test]
fn no_file_makes_the_parser_panic() {
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let signs = b"\"'[]{}=.,#\\\r\n \t1a\xe5\xff";
    for _ in 0..1500 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = signs[random(signs.len())],
                1 => bytes.insert(at, signs[random(signs.len())]),
                _ => drop(bytes.drain(at..(at + random(40)).min(bytes.len()))),
            }
        }
        let parsed = parse_bytes(Path::new("p.toml"), &bytes);
        tributary_pipeline::diagnostic::render(&parsed.diagnostics, true);
        if let Some(pipeline) = &parsed.pipeline {
            let found = tributary_pipeline::validate(
                pipeline,
                &support::registry(),
                &support::World,
                &support::World,
                &support::World,
            );
            tributary_pipeline::diagnostic::render(&found, false);
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_said_to_be_so() {
    let parsed = parse_bytes(Path::new("p.toml"), b"name = \"p\"\nlake = \"\xba\xfe\"\n");
    assert!(parsed.pipeline.is_none());
    insta::assert_snapshot!(parsed.diagnostics[0]);
}

#[test]
fn a_file_that_is_not_there_is_said_to_be_so() {
    let parsed = tributary_pipeline::load(Path::new("no/such.toml"));
    insta::assert_snapshot!(parsed.diagnostics[0]);
}

#[test]
fn unknown_keys_are_reported_everywhere() {
    insta::assert_snapshot!(cases(
        parsed,
        &[
            ("at the top", "name = \"p\"\n\nlak = \"lake/x\"\n"),
            (
                "in every table",
                "name = \"p\"\nlake = \"lake\"\n[schedule]\ncorn = \"0 3 * * *\"\n[[map]]\nform = \"a.b\"\nto = \"party\"\nwhen = \"x\"\n[[map.identifiers]]\ntype = \"phone\"\nvalu = \"m\"\n[merge]\nidentifier = {}\n[merge.identifiers]\nphone = { max_name = 3 }\n[merge.survivorship]\nphone = { preferred = [\"a\"] }\n[mart]\nasof = \"run_date\"\nrfm = { days = 3 }\n[engine]\nmemroy = \"1GB\"\n"
            ),
            (
                "in a field",
                "name = \"p\"\nlake = \"lake\"\n[[map]]\nfrom = \"a.b\"\nto = \"party\"\nfields = { name = { colum = \"n\" } }\n"
            ),
            (
                "in a source, where a connector's keys may be any",
                "name = \"p\"\nlake = \"lake\"\n[sources.a]\nconnecter = \"files\"\n"
            ),
        ]
    ));
}

#[test]
fn missing_keys_are_reported_at_their_table() {
    insta::assert_snapshot!(cases(
        parsed,
        &[
            ("an empty file", ""),
            (
                "a source without a connector",
                "name = \"p\"\nlake = \"lake\"\n[sources.a]\npath = \"x\"\n[[map]]\nto = \"party\"\n[[map.identifiers]]\ntype = \"phone\"\n"
            ),
            ("inline", "name = \"p\"\nlake = \"lake\"\nschedule = { timezone = \"UTC\" }\nmart = { summary = {} }\n"),
            ("a strength", "name = \"p\"\nlake = \"lake\"\n[merge.identifiers]\nweibo = { max_names = 3 }\n"),
        ]
    ));
}

#[test]
fn wrong_types_are_reported_at_their_value() {
    insta::assert_snapshot!(cases(
        parsed,
        &[
            ("at the top", "name = 1\nlake = [\"lake\"]\nschedule = \"daily\"\nsources = []\nmap = {}\n"),
            (
                "in a source",
                "name = \"p\"\nlake = \"lake\"\n[sources.a]\nconnector = true\nstreams = \"Contacts\"\nbatch_rows = \"many\"\nmax_rejected = 0.5\ncron = 3\n"
            ),
            (
                "out of bounds",
                "name = \"\"\nlake = \" \"\n[sources.a]\nconnector = \"files\"\nstreams = []\nbatch_rows = 0\nmax_rejected = -1\n[mart.lifecycle]\nchurned_quantile = 1.5\nat_risk_quantile = 0\n"
            ),
            (
                "in a map",
                "name = \"p\"\nlake = \"lake\"\n[[map]]\nfrom = 3\nto = \"party\"\nkey = 3\nwhere = true\nfields = { name = 3, birthday = { column = 3 }, gender = {}, source_ts = { column = \"a\", sql = \"b\" } }\n"
            ),
            (
                "in an element",
                "name = \"p\"\nlake = \"lake\"\nmap = [3]\n[sources.a]\nconnector = \"files\"\nstreams = [\"a\", 3]\n"
            ),
            ("one header too few", "name = \"p\"\nlake = \"lake\"\n[map]\nfrom = \"a.b\"\nto = \"party\"\n"),
            (
                "in merge",
                "name = \"p\"\nlake = \"lake\"\n[merge.identifiers]\nphone = \"strong\"\nemail = { strength = \"stong\", unique = \"yes\" }\n[merge.survivorship]\ndefault = \"newest\"\nphone = \"most_recnt\"\nname = { prefer = \"crm\" }\nemail = 3\n"
            ),
        ]
    ));
}

#[test]
fn values_that_make_no_sense_are_reported() {
    let source = |keys: &str| format!("{HEAD}[sources.a]\nconnector = \"files\"\n{keys}\n");
    insta::assert_snapshot!(cases(
        parsed,
        &[
            (
                "names",
                "name = \"my pipeline\"\nlake = \"lake\"\n[sources.POS-1]\nconnector = \"files\"\n[sources.\"门店\"]\nconnector = \"files\"\n"
            ),
            ("zones", &source("timezone = \"Asia/Shangai\"")),
            ("zones that people think of", &source("timezone = \"Asia/Beijing\"")),
            ("zones that are nothing", &source("timezone = \"here\"")),
            ("cron", &source("cron = \"61 * * * *\"")),
            ("the schedule", &format!("{HEAD}[schedule]\ncron = \"daily\"\ntimezone = \"UTC+8\"\n")),
            ("country and currency", &source("region = \"UK\"\ncurrency = \"RMB\"")),
            ("country and currency in lower case", &source("region = \"cn\"\ncurrency = \"cny\"")),
            ("country and currency that are nothing", &source("region = \"China mainland\"\ncurrency = \"money\"")),
            ("order of dates", &source("date_order = \"ydm\"")),
            ("rejected", &source("max_rejected = \"150%\"")),
            ("rejected in words", &source("max_rejected = \"few\"")),
            ("rejected by stream", &source("max_rejected = { a = \"1%\", b = \"most\", \"*\" = -1 }")),
            ("a stream twice", &source("streams = [\"a\", \"b\", \"a\"]")),
            ("a stream without a source", &format!("{HEAD}[[map]]\nfrom = \"members\"\nto = \"party\"\n")),
            (
                "as of",
                &format!(
                    "{HEAD}[mart]\nas_of = \"yesterday\"\nsummary = {{ cut = \"1997-13-01\", unit = \"weeks\" }}\n"
                )
            ),
            ("quantiles", &format!("{HEAD}[mart.lifecycle]\nat_risk_quantile = 0.99\n")),
            ("the engine", &format!("{HEAD}[engine]\nmemory = \"plenty\"\ncluster = \"host:50050\"\n")),
        ]
    ));
}

#[test]
fn secrets_written_out_are_refused_and_not_shown() {
    let text = format!(
        "{HEAD}[sources.a]\nconnector = \"zoho\"\nclient_secret = \"hunter2\"\n\"api key\" = 'hunter2'\ntokens = [\"hunter2\", \"hunter2\"]\npassword = 42\nmax_tokens = 42\ntoken_url = \"https://x\"\nauth = {{ user = \"me\", password = \"\"\"\nhunter2\"\"\" }}\n[engine]\npassword = \"hunter2\"\n"
    );
    let shown = parsed(&text);
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!(shown);
    let pipeline = parse(Path::new("p.toml"), &text).pipeline.unwrap();
    assert!(!format!("{pipeline:?}").contains("hunter2"));
    // A field may be called anything.
    assert_eq!(parsed(&format!("{HEAD}[[map]]\nfrom = \"a.b\"\nto = \"party\"\nfields = {{ token = \"t\" }}\n")), "");
}

#[test]
fn a_line_shown_for_another_reason_hides_its_secrets() {
    let shown =
        parsed(&format!("{HEAD}sources = {{ a = {{ connector = 1, dsn = \"hunter2\", password = \"hunter2\" }} }}\n"));
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn line_ends_of_windows_do_not_move_places() {
    insta::assert_snapshot!(parsed("name = \"p\"\r\nlake = \"lake\"\r\n\r\n[mart]\r\nas_off = \"x\"\r\n"));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let parsed = parse(Path::new("p.toml"), "name = \"p\"\nlak = 1\n");
    let coloured = parsed.diagnostics[0].render(true);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_ne!(coloured, plain);
    assert_eq!(plain, parsed.diagnostics[0].render(false));
}

#[test]
fn a_diagnostic_can_be_read_by_a_machine() {
    let parsed = parse(Path::new("p.toml"), "name = \"p\"\nlak = 1\n");
    insta::assert_snapshot!(serde_json::to_string_pretty(&parsed.diagnostics).unwrap());
}
