//! The order in which the fields of the schema stand in the source: a JSON Schema has its keys in
//! the order of the alphabet, and a person reads what belongs together.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::{Evaluate, Experiment, Generate, Model, Problems, Stop, Train, Verify};

/// The dotted keys of an experiment file, each table's in the order of its fields. Those of
/// `model.chat`, where any name is a key, are not among them.
pub fn key_order() -> Vec<String> {
    let tables = [
        ("", fields::<Experiment>()),
        ("model.", fields::<Model>()),
        ("problems.", fields::<Problems>()),
        ("generate.", fields::<Generate>()),
        ("verify.", fields::<Verify>()),
        ("train.", fields::<Train>()),
        ("evaluate.", fields::<Evaluate>()),
        ("stop.", fields::<Stop>()),
    ];
    let mut order = Vec::new();
    for (table, names) in tables {
        order.extend(names.iter().map(|name| format!("{table}{name}")));
    }
    order
}

/// What serde asks for when it reads a `T`.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut asked: &'static [&'static str] = &[];
    // Nothing is there to be read.
    let _ = T::deserialize(Listening(&mut asked));
    asked
}

struct Listening<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listening<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("nothing to read"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
