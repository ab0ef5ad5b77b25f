//! The shape of JSON records and its Arrow type: objects and lists as they are nested, every scalar as text.

use arrow::datatypes::{DataType, Field};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::sync::Arc;

/// Deeper values, and objects with more names, are kept as JSON text.
const MAX_DEPTH: usize = 16;
const MAX_NAMES: usize = 1_000;

/// What has been seen of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Nothing but nulls.
    Null,
    /// A scalar, or values of unlike kinds.
    Text,
    Object(Vec<(String, Shape)>),
    List(Box<Shape>),
}

impl Shape {
    /// The shape that has room for both.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, shape) | (shape, Self::Null) => shape,
            (Self::Object(mut names), Self::Object(others)) => {
                for (place, (name, shape)) in others.into_iter().enumerate() {
                    // Records of one stream mostly have their names in one order.
                    let found = match names.get(place) {
                        Some((same, _)) if *same == name => Some(place),
                        _ => names.iter().position(|(known, _)| *known == name),
                    };
                    match found {
                        Some(found) => {
                            let before = std::mem::replace(&mut names[found].1, Self::Null);
                            names[found].1 = before.or(shape);
                        }
                        None => names.push((name, shape)),
                    }
                }
                if names.len() > MAX_NAMES { Self::Text } else { Self::Object(names) }
            }
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            _ => Self::Text,
        }
    }

    /// Its Arrow type. What has no fields or items to tell of is JSON text.
    pub fn data_type(&self) -> DataType {
        self.data_type_within(MAX_DEPTH)
    }

    fn data_type_within(&self, depth: usize) -> DataType {
        match self {
            Self::Object(names) if depth > 0 && !names.is_empty() => DataType::Struct(
                names.iter().map(|(name, shape)| Field::new(name, shape.data_type_within(depth - 1), true)).collect(),
            ),
            Self::List(item) if depth > 0 && !matches!(**item, Self::Null) => {
                DataType::List(Arc::new(Field::new("item", item.data_type_within(depth - 1), true)))
            }
            _ => DataType::Utf8,
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Shape;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::Null;
                while let Some(item) = items.next_element()? {
                    shape = shape.or(item);
                }
                Ok(Shape::List(Box::new(shape)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut names: Vec<(String, Shape)> = Vec::new();
                while let Some((name, shape)) = map.next_entry::<String, Shape>()? {
                    if names.len() <= MAX_NAMES && !names.iter().any(|(known, _)| *known == name) {
                        names.push((name, shape));
                    }
                }
                Ok(if names.len() > MAX_NAMES { Shape::Text } else { Shape::Object(names) })
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_records_are_joined() {
        let shape = [
            r#"{"a":1,"b":{"x":null},"l":[],"m":1}"#,
            r#"{"b":{"y":"s","x":2},"l":[{"z":1},null],"a":null,"m":{"k":1},"e":{}}"#,
        ]
        .iter()
        .map(|text| serde_json::from_str::<Shape>(text).unwrap())
        .reduce(Shape::or)
        .unwrap();
        let DataType::Struct(fields) = shape.data_type() else { panic!() };
        let text: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        assert_eq!(
            text,
            ["a: Utf8", "b: Struct(\"x\": Utf8, \"y\": Utf8)", "l: List(Struct(\"z\": Utf8))", "m: Utf8", "e: Utf8",]
        );
    }
}
