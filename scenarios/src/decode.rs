//! From a tree to typed values, collecting every problem on the way.
//!
//! Serde's derived code stops at the first error. Here a [`Spanned`], a [`List`] or a [`Named`] takes an error of
//! the value inside, which is already written down, and goes on with an empty value; unknown keys are known from
//! the type's list of fields before the type sees them. So one reading finds all misspelt keys and bad values.

mod reader;

use crate::problem::Problem;
use crate::source::Span;
use crate::tree::Node;
use serde::de::{self, Deserializer, Visitor};
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

/// The newtype name by which [`Spanned`] asks the decoder for its place.
const SPANNED: &str = "lvsim::Spanned";

/// Reads a typed value out of a tree; what is wrong goes to `problems`.
///
/// Returns none if the value itself could not be built. If `problems` is not empty the value may hold stand-ins.
pub fn decode<T: de::DeserializeOwned>(node: &Node, problems: &mut Vec<Problem>) -> Option<T> {
    let collected = RefCell::new(Vec::new());
    let result = reader::Decoder::new(node, &collected).read(PhantomData::<T>);
    problems.append(&mut collected.into_inner());
    result.ok()
}

/// A value with its place in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spanned<T> {
    /// Where it was written.
    pub span: Span,
    /// The value.
    pub value: T,
}

impl<T> Spanned<T> {
    /// A value that was written at `span`.
    pub const fn new(span: Span, value: T) -> Spanned<T> {
        Spanned { span, value }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A list; a single value counts as a list of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T>(pub Vec<T>);

/// Named values in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List(Vec::new())
    }
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(Vec::new())
    }
}

impl<'de, T: de::Deserialize<'de> + Default> de::Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spanned<T>, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: de::Deserialize<'de> + Default> Visitor<'de> for Reader<T> {
            type Value = Spanned<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut parts: A) -> Result<Spanned<T>, A::Error> {
                let start = parts.next_element()?.unwrap_or(0);
                let end = parts.next_element()?.unwrap_or(0);
                // The error is written down already; an empty value lets the reading go on.
                let value = parts.next_element().ok().flatten().unwrap_or_default();
                Ok(Spanned { span: Span { start, end }, value })
            }
        }
        deserializer.deserialize_newtype_struct(SPANNED, Reader(PhantomData))
    }
}

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: de::Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                loop {
                    match items.next_element() {
                        Ok(Some(item)) => list.push(item),
                        Ok(None) => return Ok(List(list)),
                        Err(_written_down) => {}
                    }
                }
            }
        }
        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: de::Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Named<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Named<T>, A::Error> {
                let mut named = Vec::new();
                while let Some(key) = entries.next_key()? {
                    if let Ok(value) = entries.next_value() {
                        named.push((key, value));
                    }
                }
                Ok(Named(named))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Default, PartialEq, Debug)]
    struct Host {
        name: Spanned<String>,
        #[serde(default)]
        port: Option<Spanned<u16>>,
        #[serde(default)]
        addresses: List<Spanned<u32>>,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        Constant(Spanned<u32>),
        Uniform { low: u32, high: u32 },
    }

    fn read<T: de::DeserializeOwned>(text: &str) -> (Option<T>, Vec<String>) {
        let mut problems = Vec::new();
        let node = crate::tree::parse(text, &mut problems).unwrap();
        let value = decode(&node, &mut problems);
        problems.sort_by_key(|problem| problem.span);
        let told = |p: &Problem| {
            format!("{}-{}: {} [{}]", p.span.start, p.span.end, p.message, p.help.as_deref().unwrap_or(""))
        };
        (value, problems.iter().map(told).collect())
    }

    #[test]
    fn values_come_with_their_places() {
        let (host, problems) = read::<Host>("name: web1\nport: 80\naddresses: [1, 2]\n");
        let host = host.unwrap();
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(host.port, Some(Spanned::new(Span::new(17, 19), 80)));
        assert_eq!(host.addresses.0.len(), 2);
    }

    #[test]
    fn a_single_value_is_a_list_of_one() {
        let (host, _) = read::<Host>("name: web1\naddresses: 7\n");
        assert_eq!(host.unwrap().addresses.0[0].value, 7);
    }

    #[test]
    fn one_reading_finds_all_problems() {
        let (_, problems) = read::<Named<Host>>(
            "a: {nam: x, port: 99999, addresses: [1, zwei, 3]}\nb: just text\nc: {name: [], prt: 1}\n",
        );
        expect_test::expect![[r#"
            [
                "3-49: `name` is missing [add `name: …` here]",
                "4-7: unknown key `nam` [did you mean `name`?]",
                "18-23: expected a whole number from 0 to 65535, found `99999` []",
                "40-44: expected a whole number from 0 to 4294967295, found `zwei` []",
                "53-62: expected `key: value` lines, found a single value [keys here: name, port, addresses]",
                "73-75: expected a string, found a list []",
                "77-80: unknown key `prt` [did you mean `port`?]",
            ]
        "#]]
        .assert_debug_eq(&problems);
    }

    #[test]
    fn choices_are_mappings_with_one_key() {
        assert_eq!(read::<Shape>("uniform: {low: 1, high: 2}").0, Some(Shape::Uniform { low: 1, high: 2 }));
        assert_eq!(read::<Shape>("unifrom: 1").1, ["0-7: unknown key `unifrom` [did you mean `uniform`?]"]);
        let (_, problems) = read::<Shape>("{constant: 1, uniform: {low: 1, high: 2}}");
        assert_eq!(problems, ["0-41: expected exactly one of: constant, uniform []"]);
    }
}
