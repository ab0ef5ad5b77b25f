//! What a column of the model is.

use arrow::datatypes::{DataType, TimeUnit};

/// Metadata key of an Arrow field that says how personal its values are.
pub const PERSONAL: &str = "tributary.personal";

/// How personal a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    None,
    /// Narrows down who it is, with others: a birthday, a city.
    Quasi,
    /// Says who it is: a name, a phone number.
    Identifier,
}

impl Personal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quasi => "quasi",
            Self::Identifier => "identifier",
        }
    }
}

/// What a mapped value goes through on its way into the column; it also says the column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normaliser {
    /// Trimmed, composed, without control characters.
    Text,
    /// A code or number of the source's, kept as text.
    Code,
    PersonName,
    Gender,
    Birthday,
    Date,
    Timestamp,
    /// `decimal(19,4)`.
    Money,
    /// `decimal(18,3)`.
    Quantity,
    Integer,
    /// A one-line address, taken apart.
    Address,
    Province,
    City,
    District,
    /// Not mapped: the stage fills it.
    Flag,
}

impl Normaliser {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Code => "code",
            Self::PersonName => "person_name",
            Self::Gender => "gender",
            Self::Birthday => "birthday",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Money => "money",
            Self::Quantity => "quantity",
            Self::Integer => "integer",
            Self::Address => "address",
            Self::Province => "province",
            Self::City => "city",
            Self::District => "district",
            Self::Flag => "flag",
        }
    }

    /// The Arrow type of the column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Birthday | Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Money => DataType::Decimal128(19, 4),
            Self::Quantity => DataType::Decimal128(18, 3),
            Self::Integer => DataType::Int64,
            Self::Flag => DataType::Boolean,
            _ => DataType::Utf8,
        }
    }
}

/// A column of an entity.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub normaliser: Normaliser,
    pub personal: Personal,
    /// What it means, its unit where it has one.
    pub about: &'static str,
}

impl Field {
    pub fn arrow(&self) -> arrow::datatypes::Field {
        plain(self.name, self.normaliser.data_type(), self.personal)
    }

    /// Whether a mapping may set it.
    pub fn mapped(&self) -> bool {
        self.normaliser != Normaliser::Flag
    }
}

/// A nullable Arrow field that says how personal it is.
pub fn plain(name: &str, kind: DataType, personal: Personal) -> arrow::datatypes::Field {
    arrow::datatypes::Field::new(name, kind, true)
        .with_metadata([(PERSONAL.to_owned(), personal.as_str().to_owned())].into())
}

/// An entity: a kind of thing that records are about.
#[derive(Debug)]
pub struct Entity {
    pub name: &'static str,
    pub about: &'static str,
    pub fields: &'static [Field],
    /// Whether `[[map.identifiers]]` may name the customer it belongs to.
    pub identified: bool,
}
