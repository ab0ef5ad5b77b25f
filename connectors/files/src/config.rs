//! The connector's configuration, which is its documentation as well.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::{Error, Kind, SecretRef};

/// Files of one kind of record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The files: a path or a list of paths, each with `*`, `?`, `[…]`, `{…}` or `**` where wanted. Local paths are taken
    /// from the working directory; `s3://bucket/…`, `gs://bucket/…` and `az://container/…` are read from there.
    pub path: Paths,
    /// `csv`, `jsonl`, `parquet` or `xlsx`. Default: by each file's extension.
    #[serde(default)]
    pub format: Option<Format>,
    /// The encoding of CSV and JSON Lines, by its usual label (`utf-8`, `gb18030`, `utf-16le`, …). A byte order mark is
    /// believed before it. Default: the byte order mark, or else found out from each file's first 64 KiB that are not plain
    /// ASCII.
    #[serde(default)]
    pub encoding: Option<String>,
    /// The character between fields. Default: whichever of `,` `;` `|` and tab fits the first rows of each file.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// The character around fields that hold delimiters or line ends; inside, it is doubled. Default: `"`.
    #[serde(default = "default_quote")]
    pub quote: String,
    /// Lines above the header row. Default: title rows are recognised, as they fill fewer cells than the rows that follow.
    #[serde(default)]
    pub skip_rows: Option<u64>,
    /// The columns' names, for files without a header row. Default: the files have one.
    #[serde(default)]
    pub header: Option<Vec<String>>,
    /// What the last row of a file may be. Default: `detect`.
    #[serde(default)]
    pub total_row: TotalRow,
    /// Types of columns by name: `text`, `int`, `decimal(precision,scale)`, `date`, `timestamp`, `bool` or `float`. In JSON
    /// a nested field is named by its path, such as `receiver.town` or `lines.price`. Default: text, and Parquet's own types.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnType>,
    /// The columns that name a record. Default: none; a record is then known by its place in its file.
    #[serde(default, alias = "key")]
    pub primary_key: Vec<String>,
    /// The column that orders the versions of a record. Default: the order of the files, see `order`.
    #[serde(default)]
    pub version: Option<String>,
    /// Which of two files with the same record is the newer: `name`, the one whose path sorts later, or `mtime`, the one
    /// changed later. A corrected file keeps its place. Default: `name`.
    #[serde(default)]
    pub order: Order,
    /// What it means that a file shows other content: `replace`, its earlier rows are withdrawn; `add`, they stay.
    /// Default: `replace`.
    #[serde(default)]
    pub on_change: OnChange,
    /// The name of the stream. Default: `rows`.
    #[serde(default = "default_stream")]
    pub stream: String,
    /// The sheet of XLSX files, by name. Default: the first.
    #[serde(default)]
    pub sheet: Option<String>,
    /// How the object store is reached. Default: by the environment, as the vendor's own tools are.
    #[serde(default)]
    pub storage: Storage,
}

fn default_quote() -> String {
    "\"".to_owned()
}

fn default_stream() -> String {
    "rows".to_owned()
}

/// One path or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Paths {
    One(String),
    Several(Vec<String>),
}

impl Paths {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Several(paths) => paths,
        }
    }
}

/// How a file holds its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Delimited text.
    Csv,
    /// One JSON object a line.
    Jsonl,
    Parquet,
    Xlsx,
}

impl Format {
    /// As in `format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        }
    }

    /// The format that a file's extension stands for.
    ///
    /// # Errors
    /// [`Kind::Config`] if it stands for none.
    pub fn of(path: &str) -> Result<Self, Error> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        match extension.as_str() {
            "csv" | "tsv" | "txt" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "parquet" | "pq" => Ok(Self::Parquet),
            "xlsx" | "xlsm" => Ok(Self::Xlsx),
            "xls" => Err(Error::new(Kind::Config, format!("`{path}` is in the old Excel format"))
                .hint("save it as .xlsx or .csv")),
            _ => Err(Error::new(Kind::Config, format!("the format of `{path}` cannot be told from its extension"))
                .hint("set `format` to `csv`, `jsonl`, `parquet` or `xlsx`, or narrow `path`")),
        }
    }
}

/// What the last row of a table may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TotalRow {
    /// The last row is left out if its first filled cell is a word for a sum (合计, 总计, 小计, Total, …) and its other cells
    /// are numbers or empty. A row with any other text in it is a record.
    #[default]
    Detect,
    /// Every row is a record.
    None,
    /// The last row is never a record.
    Last,
}

/// Which file is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The one whose path sorts later.
    #[default]
    Name,
    /// The one that was changed later.
    Mtime,
}

/// What other content under a known path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// A correction: the rows of the earlier content are withdrawn.
    #[default]
    Replace,
    /// More records: the rows of the earlier content stay.
    Add,
}

/// How an object store is reached. What is not given is taken from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// The service's address, for stores that speak S3 or for emulators. Default: the vendor's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region of an S3 bucket. Default: the environment's.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether plain HTTP may be used. Default: `false`.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether requests go unsigned, for public buckets. Default: `false`.
    #[serde(default)]
    pub anonymous: bool,
    /// The account of an Azure container. Default: the environment's.
    #[serde(default)]
    pub account: Option<String>,
    /// S3: the access key's id.
    #[serde(default)]
    pub access_key_id: Option<SecretRef>,
    /// S3: the access key.
    #[serde(default)]
    pub secret_access_key: Option<SecretRef>,
    /// S3: the token of a temporary key.
    #[serde(default)]
    pub session_token: Option<SecretRef>,
    /// Azure: the account's key.
    #[serde(default)]
    pub account_key: Option<SecretRef>,
    /// Google: the service account's key, as JSON.
    #[serde(default)]
    pub service_account_key: Option<SecretRef>,
}

/// The declared type of a column.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct ColumnType(pub DataType);

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let data_type = match plain.as_str() {
            "text" => Some(DataType::Utf8),
            "int" => Some(DataType::Int64),
            "date" => Some(DataType::Date32),
            "timestamp" => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            "bool" => Some(DataType::Boolean),
            "float" => Some(DataType::Float64),
            "decimal" => Some(DataType::Decimal128(19, 4)),
            _ => decimal(&plain),
        };
        data_type.map(Self).ok_or_else(|| {
            format!("`{text}` is no column type; known: `text`, `int`, `decimal(19,4)`, `date`, `timestamp`, `bool`, `float`")
        })
    }
}

fn decimal(text: &str) -> Option<DataType> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.parse::<u8>().ok()?, scale.parse::<u8>().ok()?);
    ((1..=38).contains(&precision) && scale <= precision).then_some(DataType::Decimal128(precision, scale as i8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_types_are_read_and_wrong_ones_name_the_right_ones() {
        let read = |text: &str| ColumnType::try_from(text.to_owned());
        assert_eq!(read("decimal(18, 3)").unwrap().0, DataType::Decimal128(18, 3));
        assert_eq!(read("INT").unwrap().0, DataType::Int64);
        for wrong in ["decimal(3,4)", "decimal(39,1)", "string", "decimal(-1,0)", ""] {
            assert!(read(wrong).unwrap_err().contains("known: `text`"), "{wrong}");
        }
    }

    #[test]
    fn unknown_fields_and_literal_secrets_are_refused() {
        let read = |json: serde_json::Value| serde_json::from_value::<Config>(json);
        assert!(read(serde_json::json!({"path": "a.csv", "pth": 1})).is_err());
        assert!(read(serde_json::json!({"path": "a.csv", "storage": {"secret_access_key": "x"}})).is_err());
        let config = read(serde_json::json!({"path": ["a.csv"], "key": ["id"], "columns": {"id": "int"}})).unwrap();
        assert_eq!(config.primary_key, ["id"]);
        assert_eq!(config.quote, "\"");
        assert_eq!(config.stream, "rows");
    }

    #[test]
    fn formats_go_by_the_extension() {
        assert_eq!(Format::of("a.b/c.CSV").unwrap(), Format::Csv);
        assert_eq!(Format::of("x/会员.xlsx").unwrap(), Format::Xlsx);
        assert!(Format::of("a.csv/c").is_err());
        assert_eq!(Format::of("old.xls").unwrap_err().hint.unwrap(), "save it as .xlsx or .csv");
    }
}
