//! `RECORDS.md` says what the records are: its example is a record, and its tables have their fields in their order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use calybris_engine::{Record, SCHEMA_ID};
use calybris_kernel::{Action, Reason};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

const PAGE: &str = include_str!("../RECORDS.md");
const BYTES: &str = include_str!("golden/records.txt");
const JSON: &str = include_str!("golden/records.json.txt");

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

/// The fields of every struct and of every variant that the page has a table for.
fn documented() -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut about = String::new();
    let mut table = "";
    for line in PAGE.lines() {
        if line.is_empty() {
            table = "";
        }
        if line.starts_with('#') {
            about.clear();
        }
        if let Some(name) = backticked(line).next().filter(|name| name.ends_with("V1"))
            && !line.starts_with('|')
        {
            name.clone_into(&mut about);
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        match (table, cells.as_slice()) {
            ("", [first, ..]) if first.starts_with("| ") => table = first.trim_start_matches("| "),
            ("field", [first, ..]) if first.starts_with("| `") => {
                let field = backticked(first).next().unwrap().to_owned();
                fields.entry(about.clone()).or_default().push(field);
            }
            ("number", [_, variant, of_variant, _]) if !about.is_empty() => {
                let of_variant = backticked(of_variant).filter(|field| !field.ends_with("V1"));
                let name = format!("{about}::{variant}");
                fields.insert(name, of_variant.map(str::to_owned).collect());
            }
            _ => {}
        }
    }
    fields.retain(|name, _| !name.is_empty());
    fields
}

#[test]
fn the_tables_have_the_fields_of_the_records_in_their_order() {
    let documented = documented();
    assert!(documented.len() > 35, "{}", documented.len());
    let written: BTreeSet<Vec<String>> = JSON
        .lines()
        .flat_map(|line| serde_json::from_str::<Keys>(line.split_once(' ').unwrap().1).unwrap().0)
        .collect();
    for (name, fields) in &documented {
        // An engine writes no `KeyV1`, and a variant without fields is no object.
        let is_written = written.contains(fields) || fields.is_empty() || name == "KeyV1";
        assert!(is_written, "{name}: {fields:?} is in no record");
    }
    for keys in written.iter().filter(|keys| keys.len() > 1) {
        let is_names = keys.iter().all(|key| key.parse::<u32>().is_ok());
        assert!(is_names || documented.values().any(|fields| fields == keys), "{keys:?}");
    }
}

#[test]
fn the_example_is_the_third_golden_record() {
    let block = PAGE.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let digits: String = block
        .lines()
        .flat_map(|line| line[..line.len().min(26)].split(' '))
        .filter(|word| word.len() == 2 && u8::from_str_radix(word, 16).is_ok())
        .collect();
    let golden = BYTES.lines().nth(2).unwrap().split_once(' ').unwrap().1;
    assert_eq!(digits, golden);
    assert!(PAGE.contains(&format!("{} bytes (record 3", golden.len() / 2)));
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
    for line in JSON.lines() {
        let (number, json) = line.split_once(' ').unwrap();
        let kinds: BTreeMap<String, IgnoredAny> = serde_json::from_str(json).unwrap();
        let kind = kinds.into_keys().next().unwrap();
        assert!(documented().contains_key(&format!("{kind}V1")), "{number}: {kind}");
    }
    // The reader of JSON is never the reader of a log.
    assert!(Record::decode(1, JSON.as_bytes()).is_err());
}
