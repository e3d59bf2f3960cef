//! The JSON Schema of experiment files, with the families that this version asks.

use groklab_domain::experiment;
use serde_json::{Value, json};

/// The schema.
pub fn schema() -> Value {
    let mut schema = experiment::json_schema();
    let mut words = Vec::new();
    let mut names = Vec::new();
    for folder in groklab_problems::families() {
        let about = folder.family.description;
        words.push(json!({"const": folder.name(), "description": about}));
        names.push(folder.name());
    }
    // Rules are too many to be listed.
    words.push(json!({
        "type": "string",
        "pattern": format!("^({})/", names.join("|")),
        "description": "One rule of a family, as in `digits/digits=even`.",
    }));
    // The schema of the domain knows no families: they are the problems'.
    for key in ["families", "held_out"] {
        schema["properties"]["problems"]["properties"][key]["items"] =
            json!({"title": "the name of a family, or `family/rule`", "oneOf": words});
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Whether `schema` takes `value`, as far as the words that ours are made of go; another word
    /// fails the test. The crates that know all of JSON Schema turn on features of crates that
    /// everything here is built with, and every test would build them again.
    fn takes(schema: &Value, value: &Value, root: &Value) -> bool {
        schema
            .as_object()
            .unwrap()
            .iter()
            .all(|(word, of)| match word.as_str() {
                "$ref" => {
                    let place = of.as_str().unwrap().strip_prefix('#').unwrap();
                    takes(root.pointer(place).unwrap(), value, root)
                }
                "type" => match of {
                    Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                    kind => is_a(value, kind),
                },
                "const" => value == of,
                "enum" => of.as_array().unwrap().contains(value),
                "oneOf" => count_taking(of, value, root) == 1,
                "anyOf" => count_taking(of, value, root) >= 1,
                "properties" => {
                    let known = of.as_object().unwrap();
                    known
                        .iter()
                        .all(|(key, of)| value.get(key).is_none_or(|value| takes(of, value, root)))
                }
                "additionalProperties" => others(schema, value).into_iter().all(|value| {
                    of != &json!(false) && (of == &json!(true) || takes(of, value, root))
                }),
                "required" => {
                    let keys = of.as_array().unwrap();
                    keys.iter()
                        .all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "items" => elements(value).iter().all(|value| takes(of, value, root)),
                "minItems" => {
                    !value.is_array() || elements(value).len() as u64 >= of.as_u64().unwrap()
                }
                "maxItems" => elements(value).len() as u64 <= of.as_u64().unwrap(),
                "uniqueItems" => (1..elements(value).len())
                    .all(|at| !elements(value)[..at].contains(&elements(value)[at])),
                "minimum" => value
                    .as_f64()
                    .is_none_or(|number| number >= of.as_f64().unwrap()),
                "maximum" => value
                    .as_f64()
                    .is_none_or(|number| number <= of.as_f64().unwrap()),
                "minLength" => value
                    .as_str()
                    .is_none_or(|text| text.len() as u64 >= of.as_u64().unwrap()),
                // The pattern of rules; others are left to `submit`.
                "pattern" => match between(of.as_str().unwrap(), "^(", ")/") {
                    Some(names) => value.as_str().is_none_or(|text| {
                        let family = text.split_once('/').map(|(family, _)| family);
                        family.is_some_and(|family| names.split('|').any(|name| name == family))
                    }),
                    None => true,
                },
                "maxLength" => true,
                "$schema" | "$id" | "$defs" | "title" | "description" | "default" | "examples"
                | "format" => true,
                other => panic!("`{other}` of a schema is not understood here"),
            })
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
        text.strip_prefix(start)?.strip_suffix(end)
    }

    fn is_a(value: &Value, kind: &Value) -> bool {
        match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("type {other}"),
        }
    }

    fn elements(value: &Value) -> &[Value] {
        value.as_array().map_or(&[], Vec::as_slice)
    }

    /// The values of keys that the schema does not name.
    fn others<'a>(schema: &Value, value: &'a Value) -> Vec<&'a Value> {
        let known = |key: &String| schema["properties"].get(key).is_some();
        let Some(object) = value.as_object() else {
            return Vec::new();
        };
        object
            .iter()
            .filter(|(key, _)| !known(key))
            .map(|(_, value)| value)
            .collect()
    }

    fn count_taking(schemas: &Value, value: &Value, root: &Value) -> usize {
        let schemas = schemas.as_array().unwrap();
        schemas
            .iter()
            .filter(|schema| takes(schema, value, root))
            .count()
    }

    fn is_valid(value: &Value) -> bool {
        let schema = schema();
        takes(&schema, value, &schema)
    }

    fn as_json(text: &str) -> Value {
        serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
    }

    #[test]
    fn every_example_is_valid() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut count = 0;
        for entry in fs::read_dir(examples).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let file = as_json(&fs::read_to_string(&path).unwrap());
            assert!(is_valid(&file), "{}", path.display());
            count += 1;
        }
        assert!(count >= 3, "{count}");
    }

    /// The schema and the reader of the files take and refuse alike.
    #[test]
    fn what_is_wrong_is_refused_as_it_is_by_submit() {
        let short = "name = \"x\"\n[model]\nsource = \"a/b\"\n";
        let table = [
            ("", true),
            (
                "[model.chat]\nsystem = \"x\"\nenable_thinking = false\n",
                true,
            ),
            ("[train]\nmethod = \"none\"\ntargets = [\"q_proj\"]\n", true),
            (
                "[problems]\nfamilies = [\"rpn\"]\ndifficulty = [1, 10]\n",
                true,
            ),
            (
                "[problems]\nrules = 40\nproblems_per_rule = 2\nseed = 7\nholdout = \"composition\"\n",
                true,
            ),
            ("[problems.versions]\ndigits = 1\n", true),
            ("[problems]\nrules = 0\n", false),
            ("[problems]\nproblems_per_rule = 10001\n", false),
            ("[problems]\nversions = 3\n", false),
            ("[problems.versions]\ndigits = \"1\"\n", false),
            ("[stop]\ntarget_accuracy = 0.5\n", true),
            ("[evaluate]\npass_at = [1, 4]\n", true),
            ("[model.chat]\nsystem = 3\n", false),
            ("[model.chat]\nx = { a = 1 }\n", false),
            ("[train]\nrnak = 8\n", false),
            ("[trian]\nrank = 8\n", false),
            ("[train]\nrank = 0\n", false),
            ("[train]\nrank = 513\n", false),
            ("[train]\nrank = 8.5\n", false),
            ("[train]\nrank = \"8\"\n", false),
            ("[train]\nmethod = \"grpo\"\n", false),
            ("[train]\ntargets = []\n", false),
            ("[train]\ntargets = [\"q\"]\n", false),
            ("[train]\ndropout = 0.95\n", false),
            ("[problems]\nfamilies = []\n", false),
            ("[problems]\ndifficulty = [1, 2, 3]\n", false),
            ("[problems]\ndifficulty = [0, 5]\n", false),
            ("[problems]\nholdout = \"split\"\n", false),
            ("[evaluate]\npass_at = [0]\n", false),
        ];
        for (rest, right) in table {
            let text = format!("{short}{rest}");
            assert_eq!(is_valid(&as_json(&text)), right, "{rest}");
            assert_eq!(experiment::parse(&text).is_ok(), right, "{rest}");
        }
        for missing in [
            "name = \"x\"\n",
            "[model]\nsource = \"a/b\"\n",
            "name = \"x\"\n[model]\n",
        ] {
            assert!(!is_valid(&as_json(missing)), "{missing}");
        }
        for (name, known) in [
            ("digits", true),
            ("digits/digits=even", true),
            ("sudoku", false),
            ("sudoku/digits=even", false),
        ] {
            let file = as_json(&format!("{short}[problems]\nfamilies = [\"{name}\"]\n"));
            assert_eq!(is_valid(&file), known, "{name}");
        }
    }
}
