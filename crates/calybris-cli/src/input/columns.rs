//! The names of columns and keys in a requests file: our fields, those of public traces, and names that the user maps.
//!
//! Names match whatever their case.

use calybris_catalog::text::quoted;

/// The columns of a requests file, or the keys of a JSON line.
pub(crate) const FIELDS: [&str; 31] = [
    "time",
    "tenant",
    "correlation_id",
    "request_key",
    "sequence",
    "requested_model",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_long_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "searches",
    "actual_output_tokens",
    "max_prompt_tokens",
    "max_completion_tokens",
    "max_searches",
    "allowed_classes",
    "business_value_microunits",
    "budget_limit_microunits",
    "risk_bps",
    "confidence_bps",
    "minimum_quality_bps",
    "max_p95_latency_ms",
    "required_capabilities",
    "allowed_providers",
    "required_regions",
    "group",
    "excluded_models",
];

/// Those that are lists of names.
pub(crate) const LISTS: [&str; 5] = [
    "allowed_classes",
    "required_capabilities",
    "allowed_providers",
    "required_regions",
    "excluded_models",
];

/// Those that are the name of something.
pub(crate) const NAMES: [&str; 3] = ["tenant", "requested_model", "group"];

/// Those that every request needs.
pub(crate) const REQUIRED: [&str; 2] = ["input_tokens", "output_tokens"];

/// A public trace, recognised by a name that no other has.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    mark: &'static str,
    /// Its names, each with our field.
    columns: &'static [(&'static str, &'static str)],
    /// Its names that no field corresponds to.
    ignored: &'static [&'static str],
    pub(crate) unit: Unit,
}

/// The unit of numbers in the column `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The times are dates.
    Dated,
    Seconds,
    Milliseconds,
}

static TRACES: [Trace; 3] = [
    Trace {
        name: "Azure LLM inference",
        mark: "ContextTokens",
        columns: &[
            ("TIMESTAMP", "time"),
            ("ContextTokens", "input_tokens"),
            ("GeneratedTokens", "output_tokens"),
        ],
        ignored: &["NumImages"],
        unit: Unit::Dated,
    },
    Trace {
        name: "BurstGPT",
        mark: "Request tokens",
        columns: &[
            ("Timestamp", "time"),
            ("Model", "requested_model"),
            ("Request tokens", "input_tokens"),
            ("Response tokens", "output_tokens"),
        ],
        ignored: &["Total tokens", "Log Type", "Session ID", "Elapsed time"],
        unit: Unit::Seconds,
    },
    Trace {
        name: "Mooncake",
        mark: "input_length",
        columns: &[
            ("timestamp", "time"),
            ("input_length", "input_tokens"),
            ("output_length", "output_tokens"),
        ],
        ignored: &["hash_ids"],
        unit: Unit::Milliseconds,
    },
];

/// The meaning of a name in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The field with this index.
    Field(usize),
    /// It is ignored, and listed in the summary.
    Ignored,
    Unknown,
}

/// `NAME=FIELD`: what a file calls one of our fields.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) name: String,
    field: usize,
}

/// How the user wants names to be read.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) mapped: Vec<Mapping>,
    pub(crate) ignore_unknown: bool,
}

impl Mapping {
    /// Parses an argument of `--columns`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((name, field)) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err("it is NAME=FIELD, such as `model=requested_model`".to_owned());
        };
        let field = index_of(field).ok_or_else(|| {
            format!("{} is no field; these are: {}", quoted(field), FIELDS.join(", "))
        })?;
        Ok(Self { name: name.to_owned(), field })
    }
}

impl Columns {
    /// The public trace that has these names. Names that the user maps are not looked at.
    pub(crate) fn trace<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<&'static Trace> {
        let is_mapped = |name: &&str| {
            self.mapped.iter().any(|mapping| mapping.name.to_lowercase() == name.to_lowercase())
        };
        Trace::with(names.filter(|name| !is_mapped(name)))
    }

    /// The meaning of a name in a file, which may be a trace.
    pub(crate) fn meaning(&self, name: &str, trace: Option<&Trace>) -> Meaning {
        let same = |other: &str| other.to_lowercase() == name.to_lowercase();
        if let Some(mapping) = self.mapped.iter().find(|mapping| same(&mapping.name)) {
            return Meaning::Field(mapping.field);
        }
        let known = |trace: &Trace| {
            let ours = trace.columns.iter().find(|(theirs, _)| same(theirs)).map(|(_, ours)| *ours);
            ours.and_then(index_of)
        };
        if let Some(field) = index_of(name).or_else(|| trace.and_then(known)) {
            return Meaning::Field(field);
        }
        let is_ignored = |trace: &Trace| trace.ignored.iter().any(|ignored| same(ignored));
        match self.ignore_unknown || trace.is_some_and(is_ignored) {
            true => Meaning::Ignored,
            false => Meaning::Unknown,
        }
    }
}

impl Trace {
    /// The trace that has these names.
    fn with<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'static Self> {
        let mut names = names;
        names.find_map(|name| {
            TRACES.iter().find(|trace| trace.mark.to_lowercase() == name.to_lowercase())
        })
    }
}

/// Names that other programs use for our fields.
const OTHER_NAMES: [(&str, &str); 18] = [
    ("model", "requested_model"),
    ("model_name", "requested_model"),
    ("prompt", "input_tokens"),
    ("prompt_tokens", "input_tokens"),
    ("completion", "output_tokens"),
    ("completion_tokens", "output_tokens"),
    ("cached_tokens", "cache_read_tokens"),
    ("cache_read_input_tokens", "cache_read_tokens"),
    ("cache_creation_input_tokens", "cache_write_tokens"),
    ("max_tokens", "max_completion_tokens"),
    ("max_output_tokens", "max_completion_tokens"),
    ("model_group", "group"),
    ("exclude", "excluded_models"),
    ("exclude_models", "excluded_models"),
    ("timestamp", "time"),
    ("user", "tenant"),
    ("team", "tenant"),
    ("request_id", "correlation_id"),
];

/// The field for a name that other programs use, if it is known.
pub(crate) fn meant_by(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase().replace(['-', ' '], "_");
    let (_, field) = OTHER_NAMES.iter().find(|(other, _)| *other == name)?;
    Some(field)
}

/// The index of one of our fields, by its name.
pub(crate) fn index_of(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    FIELDS.iter().position(|field| *field == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_whatever_its_case() {
        let columns = Columns::default();
        let tenant = Meaning::Field(index_of("tenant").unwrap());
        assert_eq!(columns.meaning("Tenant", None), tenant);
        assert_eq!(columns.meaning("tenant ", None), Meaning::Unknown);
        assert_eq!(columns.meaning("model", None), Meaning::Unknown);
    }

    #[test]
    fn every_name_of_another_program_stands_for_a_field_and_is_none() {
        for (name, field) in OTHER_NAMES {
            assert!(index_of(field).is_some() && index_of(name).is_none(), "{name}={field}");
            assert_eq!(meant_by(&name.to_uppercase()), Some(field));
        }
        assert_eq!(meant_by("note"), None);
    }

    #[test]
    fn the_users_names_come_before_ours() {
        let mapped = vec![
            Mapping::parse("Tokens=Input=input_tokens").unwrap(),
            Mapping::parse("tenant=correlation_id").unwrap(),
        ];
        let columns = Columns { mapped, ignore_unknown: true };
        assert_eq!(
            columns.meaning("tokens=input", None),
            Meaning::Field(index_of("input_tokens").unwrap())
        );
        assert_eq!(
            columns.meaning("TENANT", None),
            Meaning::Field(index_of("correlation_id").unwrap())
        );
        assert_eq!(columns.meaning("foo", None), Meaning::Ignored);
        for bad in ["", "tenant", "=tenant", "model=", "model=modell"] {
            assert!(Mapping::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trace_is_known_by_a_name_and_its_others_only_then() {
        let trace = Trace::with(["Timestamp", "REQUEST TOKENS"].into_iter());
        assert_eq!(trace.map(|trace| (trace.name, trace.unit)), Some(("BurstGPT", Unit::Seconds)));
        let columns = Columns::default();
        assert_eq!(
            columns.meaning("Model", trace),
            Meaning::Field(index_of("requested_model").unwrap())
        );
        assert_eq!(columns.meaning("Log Type", trace), Meaning::Ignored);
        assert_eq!(columns.meaning("Log Type", None), Meaning::Unknown);
        assert!(Trace::with(FIELDS.into_iter()).is_none());
        let mapped = vec![Mapping::parse("request tokens=input_tokens").unwrap()];
        let columns = Columns { mapped, ignore_unknown: false };
        assert!(columns.trace(["Timestamp", "Request tokens"].into_iter()).is_none());
    }
}
