//! Why a field was lost.
//!
//! A bad field loses the field, not the person: the caller stores null and one of these. A kind never carries the
//! value, which is personal data; the row of `clean.field_issue` names the record and the field instead.

/// Why a value could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{}", self.description())]
#[non_exhaustive]
pub enum IssueKind {
    /// No known form of this kind of value.
    Unparsable,
    /// The form is known, the value cannot exist: 30 February, a phone number no plan contains.
    Impossible,
    /// It can exist, but lies outside what is believable: a birthday in the future, a sum of 16 digits.
    OutOfRange,
    /// More than one reading, or a part is missing: `03-07`, `01/02/1990` without an order, two phones in one field.
    Ambiguous,
    /// Something typed to get past a required field: `13333333333`, `test@test.com`, `散客`.
    Placeholder,
    /// `1.38E+10`: a spreadsheet has thrown digits away, and they cannot be had back.
    ScientificNotation,
    /// More decimals than the model keeps, and not zeros.
    TooPrecise,
    /// A hotline or a premium number: it reaches an organisation.
    NotPersonal,
    /// It stands for somebody for a while: a privacy number or switchboard with extension, a marketplace's mail relay.
    Alias,
}

impl IssueKind {
    /// Every kind, for documentation and tests.
    pub const ALL: [IssueKind; 9] = [
        IssueKind::Unparsable,
        IssueKind::Impossible,
        IssueKind::OutOfRange,
        IssueKind::Ambiguous,
        IssueKind::Placeholder,
        IssueKind::ScientificNotation,
        IssueKind::TooPrecise,
        IssueKind::NotPersonal,
        IssueKind::Alias,
    ];

    /// The name that is stored; stable.
    pub const fn as_str(self) -> &'static str {
        match self {
            IssueKind::Unparsable => "unparsable",
            IssueKind::Impossible => "impossible",
            IssueKind::OutOfRange => "out_of_range",
            IssueKind::Ambiguous => "ambiguous",
            IssueKind::Placeholder => "placeholder",
            IssueKind::ScientificNotation => "scientific_notation",
            IssueKind::TooPrecise => "too_precise",
            IssueKind::NotPersonal => "not_personal",
            IssueKind::Alias => "alias",
        }
    }

    /// One line for a person.
    pub const fn description(self) -> &'static str {
        match self {
            IssueKind::Unparsable => "not a known form of this field",
            IssueKind::Impossible => "well formed, but no such value can exist",
            IssueKind::OutOfRange => "outside the range that can be believed",
            IssueKind::Ambiguous => "can be read in more than one way, or is incomplete",
            IssueKind::Placeholder => "a placeholder typed to fill a required field",
            IssueKind::ScientificNotation => "a spreadsheet shortened the number; its digits are lost",
            IssueKind::TooPrecise => "more decimal places than are kept",
            IssueKind::NotPersonal => "reaches an organisation, not a person",
            IssueKind::Alias => "a relay or extension that stands for somebody else's contact",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_snake_case_and_descriptions_are_one_line() {
        for (i, kind) in IssueKind::ALL.into_iter().enumerate() {
            assert!(kind.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!kind.description().contains('\n'));
            assert_eq!(kind.to_string(), kind.description());
            assert!(IssueKind::ALL[..i].iter().all(|other| other.as_str() != kind.as_str()));
        }
    }
}
