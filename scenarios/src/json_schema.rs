//! The JSON Schema of the language, from the very types that read it: editors complete and check with it.

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
            (
                "hyperexponential",
                "A mixture of exponentials.",
                generator.subschema_for::<crate::decode::List<Phase<Q>>>(),
            ),
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
