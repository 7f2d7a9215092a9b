//! `RECORDS.md` says what the records are: its example is a record, and its tables have their fields in their order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use calybris_engine::{Record, SCHEMA_ID};
use calybris_kernel::{Action, Reason};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

const PAGE: &str = include_str!("../RECORDS.md");
const BYTES: &str = include_str!("golden/records.txt");
const SECOND_BYTES: &str = include_str!("golden/second_records.txt");
const JSON: &str = include_str!("golden/records.json.txt");
const SECOND_JSON: &str = include_str!("golden/second_records.json.txt");

fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The keys of every object in a JSON text, in their order.
struct Keys(Vec<Vec<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let (mut own, mut all) = (Vec::new(), Vec::new());
                while let Some((key, Keys(below))) = map.next_entry()? {
                    own.push(key);
                    all.extend(below);
                }
                all.push(own);
                Ok(Keys(all))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut all = Vec::new();
                while let Some(Keys(below)) = list.next_element()? {
                    all.extend(below);
                }
                Ok(Keys(all))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }

            fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }

            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }
        }

        deserializer.deserialize_any(Collect)
    }
}

/// A struct that the page has a table for, or a variant.
#[derive(Clone, Debug, Default)]
struct Table {
    fields: Vec<String>,
    /// Those that flags may leave out.
    optional: Vec<String>,
}

impl Table {
    /// Whether an object with these keys is one: all fields, and some of the optional ones, in order.
    fn is_of(&self, keys: &[String]) -> bool {
        let Some(behind) = keys.strip_prefix(&*self.fields) else { return false };
        let mut optional = self.optional.iter();
        behind.iter().all(|key| optional.any(|field| field == key))
    }
}

fn is_struct(name: &&str) -> bool {
    name.ends_with("V1") || name.ends_with("V2")
}

/// Every struct and every variant that the page has a table for.
fn documented() -> BTreeMap<String, Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut about = String::new();
    let mut table = "";
    for line in PAGE.lines() {
        if line.is_empty() {
            table = "";
        }
        if line.starts_with('#') {
            about.clear();
        }
        if let Some(name) = backticked(line).next().filter(is_struct)
            && !line.starts_with('|')
        {
            name.clone_into(&mut about);
            if line.contains(" has the fields of ") {
                let base = backticked(line).nth(1).unwrap();
                tables.insert(about.clone(), tables[base].clone());
            }
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        match (table, cells.as_slice()) {
            ("", [first, ..]) if first.starts_with("| ") => table = first.trim_start_matches("| "),
            ("field", [first, ..]) if first.starts_with("| `") => {
                let field = backticked(first).next().unwrap().to_owned();
                tables.entry(about.clone()).or_default().fields.push(field);
            }
            ("bit", [bit, field, _, _]) if field.starts_with('`') => {
                let optional = &mut tables.entry(about.clone()).or_default().optional;
                assert_eq!(*bit, format!("| {}", optional.len()), "{about}");
                optional.push(field.trim_matches('`').to_owned());
            }
            ("number", [_, variant, of_variant, _]) if !about.is_empty() => {
                let of_variant = backticked(of_variant).filter(|field| !is_struct(field));
                let fields = of_variant.map(str::to_owned).collect();
                let table = Table { fields, optional: Vec::new() };
                tables.insert(format!("{about}::{variant}"), table);
            }
            _ => {}
        }
    }
    tables.retain(|name, _| !name.is_empty());
    tables
}

#[test]
fn the_tables_have_the_fields_of_the_records_in_their_order() {
    let documented = documented();
    assert!(documented.len() > 50, "{}", documented.len());
    let lines = JSON.lines().chain(SECOND_JSON.lines());
    let written: BTreeSet<Vec<String>> = lines
        .flat_map(|line| serde_json::from_str::<Keys>(line.split_once(' ').unwrap().1).unwrap().0)
        .collect();
    for (name, table) in &documented {
        // An engine writes no `KeyV1`, and a variant without fields is no object.
        let is_written = written.iter().any(|keys| table.is_of(keys));
        assert!(is_written || table.fields.is_empty() || name == "KeyV1", "{name}: {table:?}");
        for field in &table.optional {
            let has_it = |keys: &&Vec<String>| table.is_of(keys) && keys.contains(field);
            assert!(written.iter().any(|keys| has_it(&keys)), "{name}: {field} is in no record");
        }
    }
    for keys in written.iter().filter(|keys| keys.len() > 1) {
        let is_names = keys.iter().all(|key| key.parse::<u32>().is_ok());
        assert!(is_names || documented.values().any(|table| table.is_of(keys)), "{keys:?}");
    }
}

#[test]
fn the_examples_are_the_third_golden_records() {
    for (number, bytes) in [BYTES, SECOND_BYTES].into_iter().enumerate() {
        let block = PAGE.split("```text\n").nth(number + 1).unwrap().split("```").next().unwrap();
        let digits: String = block
            .lines()
            .flat_map(|line| line[..line.len().min(26)].split(' '))
            .filter(|word| word.len() == 2 && u8::from_str_radix(word, 16).is_ok())
            .collect();
        let golden = bytes.lines().nth(2).unwrap().split_once(' ').unwrap().1;
        assert_eq!(digits, golden);
        assert!(PAGE.contains(&format!("{} bytes (record 3", golden.len() / 2)));
    }
}

#[test]
fn the_codes_and_the_schema_are_those_of_today() {
    assert!(PAGE.contains(&format!("`{SCHEMA_ID:#x}`")));
    for action in Action::ALL {
        assert!(PAGE.contains(&format!("| {} | `{action:?}` |", action.code())), "{action:?}");
    }
    for reason in Reason::ALL {
        assert!(PAGE.contains(&format!("| {} | `{reason:?}` |", reason.code())), "{reason:?}");
    }
    let codes = PAGE.lines().skip_while(|line| !line.starts_with("| code | action |"));
    assert_eq!(codes.skip(2).take_while(|line| !line.is_empty()).count(), Reason::ALL.len());
}

#[test]
fn the_json_of_every_record_is_an_object_in_its_kind() {
    for line in JSON.lines().chain(SECOND_JSON.lines()) {
        let (number, json) = line.split_once(' ').unwrap();
        let kinds: BTreeMap<String, IgnoredAny> = serde_json::from_str(json).unwrap();
        let kind = kinds.into_keys().next().unwrap();
        assert!(documented().contains_key(&format!("{kind}V1")), "{number}: {kind}");
    }
    // The reader of JSON is never the reader of a log.
    assert!(Record::decode(1, JSON.as_bytes()).is_err());
}
