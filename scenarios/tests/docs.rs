//! The reference of the language is right: its examples load, and it has every key there is.

use scenarios::json_schema::json_schema;
use scenarios::load::load_text;
use std::path::Path;

const REFERENCE: &str = include_str!("../../docs/scenario-language.md");

fn examples() -> impl Iterator<Item = &'static str> {
    REFERENCE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

#[test]
fn every_example_is_a_scenario() {
    assert!(examples().count() >= 5);
    for example in examples() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let loaded =
            load_text("example", "example", example, directory).unwrap_or_else(|p| panic!("{p}\n{example}"));
        if let Err(problems) = scenarios::assemble::assemble(&loaded.scenario) {
            panic!("{}", loaded.problems(problems));
        }
    }
}

#[test]
fn every_key_is_in_the_reference() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let mut keys = Vec::new();
    collect(&schema, &mut keys);
    assert!(keys.len() > 60);
    let missing: Vec<&String> = keys.iter().filter(|key| !mentions(key)).collect();
    assert!(missing.is_empty(), "not in docs/scenario-language.md: {missing:?}");
}

fn mentions(key: &str) -> bool {
    REFERENCE.match_indices(key).any(|(at, _)| {
        let before = REFERENCE[..at].chars().next_back();
        let after = REFERENCE[at + key.len()..].chars().next();
        matches!(before, Some('`' | ' ' | '{' | '\n')) && matches!(after, Some('`' | ':' | '}'))
    })
}

fn collect(value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect(value, keys));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        _ => {}
    }
}
