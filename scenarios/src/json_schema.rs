//! The JSON Schema of the language, from the very types that read it: editors complete and check with it.

use crate::decode::{List, Named, Spanned};
use crate::schema::{Distribution, Document, Lognormal, Pareto, Phase, Uniform, Weibull};
use crate::units::Quantity;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The schema as JSON text (draft 2020-12).
pub fn json_schema() -> String {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
    schema.insert("title".into(), "lvsim scenario".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a JSON value always serialises");
    text.push('\n');
    text
}

/// By hand, because a value alone stands for a constant.
impl<Q: Quantity + JsonSchema> JsonSchema for Distribution<Q> {
    fn schema_name() -> Cow<'static, str> {
        format!("DistributionOf{}", Q::NAME).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Q>();
        let choices = [
            ("constant", "Always the same.", value.clone()),
            ("uniform", "Uniform between `low` and `high`.", generator.subschema_for::<Uniform<Q>>()),
            ("exponential", "Exponential with this mean.", value.clone()),
            ("lognormal", "Lognormal.", generator.subschema_for::<Lognormal<Q>>()),
            ("pareto", "Pareto, cut off at `max`.", generator.subschema_for::<Pareto<Q>>()),
            ("weibull", "Weibull.", generator.subschema_for::<Weibull<Q>>()),
            ("hyperexponential", "A mixture of exponentials.", generator.subschema_for::<List<Phase<Q>>>()),
            ("empirical", "Measured values from a file, one a line.", generator.subschema_for::<String>()),
        ];
        let mut variants = vec![value];
        variants.extend(choices.map(|(name, about, schema)| {
            json_schema!({
                "description": about,
                "type": "object",
                "properties": { name: schema },
                "required": [name],
                "additionalProperties": false,
            })
        }));
        json_schema!({ "description": "A distribution; a value alone is constant.", "anyOf": variants })
    }
}

/// In the JSON Schema a [`Spanned`] is what it holds.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::units::Period;
    use serde_json::Value;

    fn schema() -> Value {
        serde_json::from_str(&json_schema()).unwrap()
    }

    #[test]
    fn the_parts_of_a_file_are_known_and_nothing_else() {
        let schema = schema();
        let mut parts: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        parts.sort_unstable();
        let known = "about clients cluster duration events expect hosts kernel networks sampling seed timers";
        assert_eq!(parts.join(" "), known);
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        assert_eq!(schema["required"], serde_json::json!(["duration"]));
    }

    /// The one part that is written by hand agrees with what is read.
    #[test]
    fn the_distributions_are_those_that_are_read() {
        let schema = schema();
        let choices = schema["$defs"]["DistributionOfPeriod"]["anyOf"].as_array().unwrap();
        let names: Vec<&String> =
            choices.iter().filter_map(|choice| choice["properties"].as_object()?.keys().next()).collect();
        let mut problems = Vec::new();
        let tree = crate::tree::parse("nothing: 1s", &mut problems).unwrap();
        assert!(decode::<Distribution<Period>>(&tree, &mut problems).is_none());
        let told = problems[0].help.as_ref().unwrap();
        let told = told.strip_prefix("known here: ").unwrap();
        assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "), told);
    }

    #[test]
    fn every_word_is_described() {
        fn walk(value: &Value, path: &str) {
            if let Some(properties) = value.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    assert!(
                        property.get("description").is_some() || path.contains("Distribution"),
                        "{path}.{name}"
                    );
                }
            }
        }
        let schema = schema();
        walk(&schema, "");
        schema["$defs"].as_object().unwrap().iter().for_each(|(name, part)| walk(part, name));
    }
}
