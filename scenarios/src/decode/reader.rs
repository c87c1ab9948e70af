//! The serde side of the decoder: every node is a deserializer that writes down what is wrong and where.

use super::SPANNED;
use crate::names::suggestion;
use crate::problem::Problem;
use crate::tree::{Key, Node, Value};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::RefCell;
use std::fmt;

/// The enum in which a value alone stands for `constant: value`.
const DISTRIBUTION: &str = "Distribution";

/// Why a value could not be read.
#[derive(Debug)]
pub(super) struct Fault {
    message: String,
    help: Option<String>,
    /// It is in the list of problems already.
    written_down: bool,
}

impl Fault {
    fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: None, written_down: false }
    }

    fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    /// The first line is the message, the rest the cure.
    fn custom<T: fmt::Display>(text: T) -> Fault {
        let text = text.to_string();
        match text.split_once('\n') {
            Some((message, help)) => Fault::new(message).help(help),
            None => Fault::new(text),
        }
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::new(format!("`{field}` is missing")).help(format!("add `{field}: …` here"))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Fault {
        let help = suggestion(word, known.iter().copied()).map_or_else(
            || format!("one of: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        Fault::new(format!("unknown word `{word}`")).help(help)
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Fault {
        let found = match found {
            de::Unexpected::Str(text) => format!("`{text}`"),
            de::Unexpected::Seq => "a list".into(),
            de::Unexpected::Map => "a mapping".into(),
            de::Unexpected::Unit => "nothing".into(),
            other => other.to_string(),
        };
        Fault::new(format!("expected {expected}, found {found}"))
    }
}

/// A node and the list that problems go to.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    node: &'a Node,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(node: &'a Node, problems: &'a RefCell<Vec<Problem>>) -> Decoder<'a> {
        Decoder { node, problems }
    }

    fn at(self, node: &'a Node) -> Decoder<'a> {
        Decoder { node, ..self }
    }

    /// Reads a value; an error is written down here, where its place is known.
    pub(super) fn read<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self).map_err(|fault| self.write_down(fault))
    }

    fn write_down(self, mut fault: Fault) -> Fault {
        if !fault.written_down {
            let mut problem = Problem::error(self.node.span, std::mem::take(&mut fault.message));
            problem.help = fault.help.take();
            self.problems.borrow_mut().push(problem);
        }
        fault.written_down = true;
        fault
    }

    fn text(self, expected: &str) -> Result<&'a str, Fault> {
        match &self.node.value {
            Value::Scalar(text) => Ok(text),
            _ => Err(Fault::new(format!("expected {expected}, found {}", self.node.kind()))),
        }
    }

    fn number<T: std::str::FromStr>(self, expected: &str) -> Result<T, Fault> {
        let text = self.text(expected)?;
        let digits = text.replace('_', "");
        digits.parse().map_err(|_| Fault::new(format!("expected {expected}, found `{text}`")))
    }

    /// Writes down the keys of a mapping that `known` does not have, and returns the others.
    fn known_entries(
        self,
        entries: &'a [(Key, Node)],
        known: &'static [&'static str],
    ) -> Vec<&'a (Key, Node)> {
        let (good, bad): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| known.contains(&&*key.text));
        for (key, _) in bad {
            let near = suggestion(&key.text, known.iter().copied());
            let help = near.map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = Problem::error(key.span, format!("unknown key `{}`", key.text)).help(help);
            self.problems.borrow_mut().push(problem);
        }
        good
    }
}

macro_rules! integers {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let expected = format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX);
            visitor.$visit(self.number::<$type>(&expected)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text) => visitor.visit_str(text),
            Value::Sequence(items) => visitor.visit_seq(Items { decoder: self, rest: items }),
            Value::Mapping(entries) => visitor.visit_map(Entries::new(self, entries.iter().collect())),
        }
    }

    integers! {
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value: f64 = self.number("a number")?;
        if !value.is_finite() {
            return Err(Fault::new(format!("expected a finite number, found `{}`", self.text("a number")?)));
        }
        visitor.visit_f64(value)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text("true or false")? {
            "true" | "yes" | "on" => visitor.visit_bool(true),
            "false" | "no" | "off" => visitor.visit_bool(false),
            other => Err(Fault::new(format!("expected true or false, found `{other}`"))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(text) => visitor.visit_str(text),
            _ => {
                let expected: &dyn de::Expected = &visitor;
                Err(Fault::new(format!("expected {expected}, found {}", self.node.kind())))
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SPANNED {
            return visitor.visit_seq(PlaceAndValue { decoder: self, step: 0 });
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_seq(Items { decoder: self, rest: &[] }),
            Value::Sequence(items) => visitor.visit_seq(Items { decoder: self, rest: items }),
            Value::Scalar(_) | Value::Mapping(_) => {
                visitor.visit_seq(Items { decoder: self, rest: std::slice::from_ref(self.node) })
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_map(Entries::new(self, Vec::new())),
            Value::Mapping(entries) => visitor.visit_map(Entries::new(self, entries.iter().collect())),
            Value::Scalar(_) | Value::Sequence(_) => {
                Err(Fault::new(format!("expected `name: …` lines, found {}", self.node.kind())))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_map(Entries::new(self, Vec::new())),
            Value::Mapping(entries) => {
                visitor.visit_map(Entries::new(self, self.known_entries(entries, fields)))
            }
            Value::Scalar(_) | Value::Sequence(_) => {
                Err(Fault::new(format!("expected `key: value` lines, found {}", self.node.kind()))
                    .help(format!("keys here: {}", fields.join(", "))))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(_) if name == DISTRIBUTION => {
                let key = Key { span: self.node.span, text: "constant".into() };
                visitor.visit_enum(Choice { key: &key, decoder: self })
            }
            Value::Scalar(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            Value::Mapping(entries) => match self.known_entries(entries, variants).as_slice() {
                [(key, node)] => visitor.visit_enum(Choice { key, decoder: self.at(node) }),
                // An unknown key has been written down already; without any key nothing has.
                [] if !entries.is_empty() => Err(Fault { written_down: true, ..Fault::new("") }),
                _ => Err(Fault::new(format!("expected exactly one of: {}", variants.join(", ")))),
            },
            Value::Null | Value::Sequence(_) => {
                let found = self.node.kind();
                Err(Fault::new(format!("expected one of: {}; found {found}", variants.join(", "))))
            }
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'a> {
    decoder: Decoder<'a>,
    rest: &'a [Node],
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((first, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.decoder.at(first).read(seed).map(Some)
    }
}

/// The entries of a mapping.
struct Entries<'a> {
    decoder: Decoder<'a>,
    entries: std::vec::IntoIter<&'a (Key, Node)>,
    value: Option<&'a Node>,
}

impl<'a> Entries<'a> {
    fn new(decoder: Decoder<'a>, entries: Vec<&'a (Key, Node)>) -> Entries<'a> {
        Entries { decoder, entries: entries.into_iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        let node = Node::scalar(key.span, key.text.as_str());
        Decoder { node: &node, problems: self.decoder.problems }.read(seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().expect("serde asks for a value after its key");
        self.decoder.at(value).read(seed)
    }
}

/// The three parts of a [`Spanned`].
struct PlaceAndValue<'a> {
    decoder: Decoder<'a>,
    step: u8,
}

impl<'de> de::SeqAccess<'de> for PlaceAndValue<'_> {
    type Error = Fault;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.step += 1;
        let span = self.decoder.node.span;
        match self.step {
            1 => seed.deserialize(span.start.into_deserializer()).map(Some),
            2 => seed.deserialize(span.end.into_deserializer()).map(Some),
            _ => self.decoder.read(seed).map(Some),
        }
    }
}

/// An enum written as `variant: value`.
struct Choice<'a> {
    key: &'a Key,
    decoder: Decoder<'a>,
}

impl<'de, 'a> de::EnumAccess<'de> for Choice<'a> {
    type Error = Fault;
    type Variant = Decoder<'a>;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Decoder<'a>), Fault> {
        let node = Node::scalar(self.key.span, self.key.text.as_str());
        let variant = Decoder { node: &node, problems: self.decoder.problems }.read(seed)?;
        Ok((variant, self.decoder))
    }
}

impl<'de> de::VariantAccess<'de> for Decoder<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        self.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor).map_err(|fault| self.write_down(fault))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_struct("", fields, visitor).map_err(|fault| self.write_down(fault))
    }
}
