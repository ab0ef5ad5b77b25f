//! Builds one column from texts: text as it is, anything else by exact parsing.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, NullBufferBuilder, PrimitiveArray, StringArray, StringBuilder,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, FieldRef, Float64Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use std::sync::Arc;

use super::time::{self, Epoch, Zone};
use super::value;
use crate::{EPOCH, SEPARATOR, TIMEZONE};

/// A column under construction. A text that is empty, or blank where it is not wanted as text, is null.
pub(super) enum Column {
    Text(Text),
    Int64(Values<i64>),
    Decimal {
        values: Values<i128>,
        precision: u8,
        scale: i8,
    },
    Date {
        values: Values<i32>,
        zone: Zone,
        epoch: Option<Epoch>,
    },
    Timestamp {
        values: Values<i64>,
        zone: Zone,
        epoch: Option<Epoch>,
        label: Option<Arc<str>>,
    },
    Boolean(Values<bool>),
    Float64(Values<f64>),
    /// Texts, each of which is a list.
    List {
        texts: Text,
        item: FieldRef,
        separator: String,
    },
    /// Any other type: texts that Arrow casts at the end.
    Other(Text, DataType),
}

impl Column {
    /// A column of `field`'s type with room for `rows` and `bytes` of text.
    pub(super) fn new(field: &Field, rows: usize, bytes: usize) -> Self {
        match field.data_type() {
            DataType::Utf8 => Self::Text(Text::with_capacity(rows, bytes)),
            DataType::Int64 => Self::Int64(Values::with_capacity(rows)),
            &DataType::Decimal128(precision, scale) => {
                Self::Decimal { values: Values::with_capacity(rows), precision, scale }
            }
            DataType::Date32 => {
                Self::Date { values: Values::with_capacity(rows), zone: zone(field), epoch: epoch(field) }
            }
            DataType::Timestamp(TimeUnit::Microsecond, label) => Self::Timestamp {
                values: Values::with_capacity(rows),
                zone: zone(field),
                epoch: epoch(field),
                label: label.clone(),
            },
            DataType::Boolean => Self::Boolean(Values::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Values::with_capacity(rows)),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => match separator(field) {
                Some(separator) => {
                    Self::List { texts: Text::with_capacity(rows, bytes), item: Arc::clone(item), separator }
                }
                None => Self::Other(Text::with_capacity(rows, bytes), field.data_type().clone()),
            },
            other => Self::Other(Text::with_capacity(rows, bytes), other.clone()),
        }
    }

    /// Makes room for `times` as much as there is.
    pub(super) fn reserve(&mut self, times: usize) {
        match self {
            Self::Int64(values) => values.reserve(times),
            Self::Decimal { values, .. } => values.reserve(times),
            Self::Date { values, .. } => values.reserve(times),
            Self::Timestamp { values, .. } => values.reserve(times),
            Self::Boolean(values) => values.reserve(times),
            Self::Float64(values) => values.reserve(times),
            Self::Text(_) | Self::List { .. } | Self::Other(..) => {}
        }
    }

    /// Whether only the end shows which values fit.
    pub(super) fn is_cast_at_the_end(&self) -> bool {
        matches!(self, Self::Other(..))
    }

    /// Appends one text; tells whether it fits.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) -> bool {
        let mut fits = true;
        self.extend(text, std::iter::once((0, text.len() as u32)), |_| fits = false);
        fits
    }

    /// Appends the texts at `spans` of `buffer`; `misfit` is called with the place in `spans` of each that did not fit.
    #[inline]
    pub(super) fn extend(
        &mut self,
        buffer: &[u8],
        spans: impl ExactSizeIterator<Item = (u32, u32)> + Clone,
        misfit: impl FnMut(usize),
    ) {
        match self {
            Self::Text(text) | Self::Other(text, _) | Self::List { texts: text, .. } => text.extend(buffer, spans),
            Self::Int64(values) => parse_all(values, buffer, spans, misfit, value::integer),
            Self::Decimal { values, precision, scale } => {
                let (precision, scale) = (*precision, *scale);
                parse_all(values, buffer, spans, misfit, |text| value::decimal(text, precision, scale));
            }
            Self::Date { values, epoch: None, .. } => parse_all(values, buffer, spans, misfit, time::date),
            Self::Date { values, zone, epoch: Some(epoch) } => {
                parse_all(values, buffer, spans, misfit, |text| match epoch.micros(text) {
                    Some(micros) => zone.date(micros),
                    None => time::date(text),
                });
            }
            Self::Timestamp { values, zone, epoch, .. } => {
                parse_all(values, buffer, spans, misfit, |text| {
                    let counted = epoch.and_then(|epoch| epoch.micros(text));
                    counted.or_else(|| time::timestamp(text, zone))
                });
            }
            Self::Boolean(values) => parse_all(values, buffer, spans, misfit, value::boolean),
            Self::Float64(values) => parse_all(values, buffer, spans, misfit, value::float),
        }
    }

    /// The finished column; `misfit` is called with the row and text of each value that only the end shows not to fit.
    pub(super) fn finish(self, misfit: impl FnMut(usize, &str)) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(text) => Arc::new(text.finish()?),
            Self::Int64(values) => Arc::new(values.finish::<Int64Type>()?),
            Self::Decimal { values, precision, scale } => {
                Arc::new(values.finish::<Decimal128Type>()?.with_precision_and_scale(precision, scale)?)
            }
            Self::Date { values, .. } => Arc::new(values.finish::<Date32Type>()?),
            Self::Timestamp { values, label, .. } => {
                Arc::new(values.finish::<TimestampMicrosecondType>()?.with_timezone_opt(label))
            }
            Self::Boolean(mut values) => {
                Arc::new(BooleanArray::new(BooleanBuffer::from(values.values), values.nulls.finish()))
            }
            Self::Float64(values) => Arc::new(values.finish::<Float64Type>()?),
            Self::List { texts, item, separator } => lists(&texts.finish()?, item, &separator)?,
            Self::Other(text, data_type) => cast_texts(text.finish()?, &data_type, misfit)?,
        })
    }
}

/// The zone of `field`'s times that carry no offset.
pub(super) fn zone(field: &Field) -> Zone {
    Zone::new(field.metadata().get(TIMEZONE).and_then(|name| name.parse().ok()).unwrap_or(chrono_tz::Tz::UTC))
}

/// What is between the values of a list that comes as one text.
pub(super) fn separator(field: &Field) -> Option<String> {
    field.metadata().get(SEPARATOR).filter(|separator| !separator.is_empty()).cloned()
}

/// Each text, cut at the separator; blanks around a value are dropped, and so are empty values.
fn lists(texts: &StringArray, item: FieldRef, separator: &str) -> Result<ArrayRef, ArrowError> {
    let mut values = StringBuilder::new();
    let (mut ends, mut valid, mut end) = (vec![0], Vec::with_capacity(texts.len()), 0);
    for text in texts {
        let before = end;
        for value in text.into_iter().flat_map(|text| text.split(separator)) {
            if !value.trim().is_empty() {
                values.append_value(value.trim());
                end += 1;
            }
        }
        ends.push(end);
        valid.push(end > before);
    }
    let nulls = Some(NullBuffer::from(valid));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::new(ends.into()), Arc::new(values.finish()), nulls)?))
}

/// The unit in which `field`'s times may be counted.
pub(super) fn epoch(field: &Field) -> Option<Epoch> {
    Epoch::new(field.metadata().get(EPOCH)?)
}

/// Values under construction, some of them null.
pub(super) struct Values<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Copy + Default> Values<T> {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    fn reserve(&mut self, times: usize) {
        self.values.reserve(self.values.len().saturating_mul(times));
    }

    #[inline]
    fn push(&mut self, value: Option<T>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.append(value.is_some());
    }

    fn finish<A: ArrowPrimitiveType<Native = T>>(mut self) -> Result<PrimitiveArray<A>, ArrowError>
    where
        T: ArrowNativeType,
    {
        PrimitiveArray::try_new(self.values.into(), self.nulls.finish())
    }
}

fn parse_all<T: Copy + Default>(
    values: &mut Values<T>,
    buffer: &[u8],
    spans: impl ExactSizeIterator<Item = (u32, u32)>,
    mut misfit: impl FnMut(usize),
    mut parse: impl FnMut(&[u8]) -> Option<T>,
) {
    values.values.reserve(spans.len());
    for (place, (start, end)) in spans.enumerate() {
        let text = &buffer[start as usize..end as usize];
        let value = parse(text);
        if value.is_none() && !text.trim_ascii().is_empty() {
            misfit(place);
        }
        values.push(value);
    }
}

fn cast_texts(
    texts: StringArray,
    data_type: &DataType,
    mut misfit: impl FnMut(usize, &str),
) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast =
        cast_with_options(&texts, data_type, &options).unwrap_or_else(|_| new_null_array(data_type, texts.len()));
    for row in 0..texts.len() {
        if texts.is_valid(row) && cast.is_null(row) {
            misfit(row, texts.value(row));
        }
    }
    Ok(cast)
}

/// A text column under construction: values are appended without an allocation or a call for each.
pub(super) struct Text {
    values: Vec<u8>,
    ends: Vec<i32>,
}

impl Text {
    /// Short values are copied as blocks of this many bytes, which is faster than copying their length.
    const BLOCK: usize = 16;

    fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { values: Vec::with_capacity(bytes + Self::BLOCK), ends }
    }

    fn extend(&mut self, buffer: &[u8], spans: impl Iterator<Item = (u32, u32)> + Clone) {
        let total: usize = spans.clone().map(|(start, end)| (end - start) as usize).sum();
        let mut at = self.values.len();
        self.values.resize(at + total + Self::BLOCK, 0);
        for (start, end) in spans {
            let (start, length) = (start as usize, (end - start) as usize);
            let source = &buffer[start..];
            match (source.first_chunk::<{ Self::BLOCK }>(), self.values[at..].first_chunk_mut::<{ Self::BLOCK }>()) {
                (Some(from), Some(to)) if length <= Self::BLOCK => *to = *from,
                _ => self.values[at..at + length].copy_from_slice(&source[..length]),
            }
            at += length;
            // A page is under 2 GiB, so this does not wrap; if it did, Arrow would refuse the offsets.
            self.ends.push(at as i32);
        }
        self.values.truncate(at);
    }

    fn finish(self) -> Result<StringArray, ArrowError> {
        let ends = &self.ends;
        let valid = BooleanBuffer::collect_bool(ends.len() - 1, |row| ends[row] < ends[row + 1]);
        let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
        StringArray::try_new(OffsetBuffer::new(self.ends.into()), Buffer::from(self.values), nulls)
    }
}

/// Reads a text column as `field`'s type; `misfit` is called with the row and text of each value that does not fit.
pub(super) fn from_texts(
    texts: &ArrayRef,
    field: &Field,
    mut misfit: impl FnMut(usize, &str),
) -> Result<ArrayRef, ArrowError> {
    let texts = texts.as_string::<i32>();
    let mut column = Column::new(field, texts.len(), texts.value_data().len());
    let spans = texts.offsets().windows(2).enumerate().map(|(row, pair)| match texts.is_valid(row) {
        true => (pair[0] as u32, pair[1] as u32),
        false => (0, 0),
    });
    column.extend(texts.value_data(), spans, |row| misfit(row, texts.value(row)));
    column.finish(misfit)
}
