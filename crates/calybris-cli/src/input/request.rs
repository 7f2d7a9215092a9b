//! From a row of a requests file to a request for the engine: defaults filled in, names resolved, ranges checked.

use std::collections::BTreeMap;

use calybris_catalog::text::quoted;
use calybris_catalog::{InputError, PolicyFile, unlisted_model_id};
use calybris_core::engine::{MAX_CORRELATION_ID_BYTES, MAX_REQUEST_KEY_BYTES, Names};
use calybris_core::kernel::{
    CapabilitySet, ExcludedModels, ProviderSet, RegionSet, Request, Usage,
};
use calybris_core::units::{BasisPoints, Microunits};

use super::row::Row;
use super::usage::{self, U32};

/// A request, ready for the engine.
#[derive(Debug)]
pub(crate) struct RoutedRequest {
    pub(crate) tenant: String,
    /// `None` if the file does not say; then the request is dated when it is routed.
    pub(crate) time_unix_ms: Option<u64>,
    pub(crate) correlation_id: String,
    /// Empty if the call has none; else it is decided once for its tenant.
    pub(crate) request_key: String,
    pub(crate) request: Request,
    /// What was used; the settled cost is made of it.
    pub(crate) actual_usage: Usage,
}

/// Turns rows into requests, with the names of the catalog and the defaults of the policy file.
pub(crate) struct RequestParser<'a> {
    policy: &'a PolicyFile,
    models: BTreeMap<&'a str, u32>,
    providers: BTreeMap<&'a str, u8>,
    capabilities: BTreeMap<&'a str, u8>,
    regions: BTreeMap<&'a str, u8>,
    groups: BTreeMap<&'a str, u8>,
}

impl<'a> RequestParser<'a> {
    pub(crate) fn new(policy: &'a PolicyFile, names: &'a Names) -> Self {
        Self {
            policy,
            models: by_name(&names.models),
            providers: by_name(&names.providers),
            capabilities: by_name(&names.capabilities),
            regions: by_name(&names.regions),
            groups: by_name(&names.groups),
        }
    }

    /// Checks the names in `[request]` of the policy file, so that no row is blamed for them.
    pub(crate) fn check_defaults(&self) -> Result<(), InputError> {
        let defaults = self.policy.request_defaults();
        for (field, names, known) in [
            ("required_capabilities", &defaults.required_capabilities, &self.capabilities),
            ("allowed_providers", &defaults.allowed_providers, &self.providers),
            ("required_regions", &defaults.required_regions, &self.regions),
        ] {
            numbers(names.iter().map(String::as_str), known).map_err(|what| {
                let what = format!("`[request]`: `{field}`: {what}");
                self.policy.refuse(&["request", field], what)
            })?;
        }
        let is_unknown = |name: &&String| !self.policy.tenants().contains_key(*name);
        if let Some(tenant) = defaults.tenant.as_ref().filter(is_unknown) {
            let what = format!("`[request]`: `tenant`: {}", self.unknown_tenant(tenant));
            return Err(self.policy.refuse(&["request", "tenant"], what));
        }
        let is_unlisted = |name: &&String| !self.models.contains_key(name.as_str());
        if let Some(model) = defaults.requested_model.as_ref().filter(is_unlisted) {
            let known: Vec<&str> = self.models.keys().copied().take(MODELS_NAMED).collect();
            let more = if self.models.len() > known.len() { " and others" } else { "" };
            let what = format!(
                "`[request]`: `requested_model`: found {}, the catalog has {}{more}",
                quoted(model),
                known.join(", ")
            );
            return Err(self.policy.refuse(&["request", "requested_model"], what));
        }
        Ok(())
    }

    /// Parses one row. `position` counts the rows from 1; it is the request's sequence if the row has none. A request with a
    /// request key gets 0 instead, so that it is the same request wherever in a file it stands.
    pub(crate) fn parse(&self, row: &Row, position: u64) -> Result<RoutedRequest, InputError> {
        self.check_complete(row)?;
        let defaults = self.policy.request_defaults();
        let usage = usage::usage(row)?;
        let ceiling = usage::ceiling(row, &usage, defaults.max_completion_tokens)?;
        let mut actual_usage = usage;
        actual_usage.output_tokens = usage::actual_output_tokens(row, &usage, ceiling.as_ref())?;
        // No name means that every provider is allowed.
        let providers =
            self.set(row, "allowed_providers", &defaults.allowed_providers, &self.providers)?;
        let request_key = limited(row, "request_key", MAX_REQUEST_KEY_BYTES)?;
        let otherwise = if request_key.is_empty() { position } else { 0 };
        let sequence = row.number("sequence", U64)?.unwrap_or(otherwise);
        let mut request = Request::new(sequence, self.requested_model(row)?, 0, 0)
            .with_usage(usage)
            .with_business_value_microunits(required(
                row,
                "business_value_microunits",
                I64,
                defaults.business_value_microunits,
            )?)
            .with_budget_limit(Microunits::new(required(
                row,
                "budget_limit_microunits",
                U64,
                defaults.budget_limit.map(Microunits::get),
            )?))
            .with_risk(BasisPoints::new(bps(row, "risk_bps", defaults.risk)?))
            .with_confidence(BasisPoints::new(bps(row, "confidence_bps", defaults.confidence)?))
            .with_minimum_quality(BasisPoints::new(bps(
                row,
                "minimum_quality_bps",
                defaults.minimum_quality,
            )?))
            .with_max_p95_latency_ms(
                row.number("max_p95_latency_ms", U32)?.or(defaults.max_p95_latency_ms).unwrap_or(0),
            )
            .with_required_capabilities(CapabilitySet::from_bits(bits(&self.set(
                row,
                "required_capabilities",
                &defaults.required_capabilities,
                &self.capabilities,
            )?)))
            .with_allowed_providers(if providers.is_empty() {
                ProviderSet::ALL
            } else {
                providers.into_iter().collect()
            })
            .with_required_regions(RegionSet::from_bits(bits(&self.set(
                row,
                "required_regions",
                &defaults.required_regions,
                &self.regions,
            )?)))
            .with_excluded_models(self.excluded_models(row)?);
        request.ceiling = ceiling;
        request.group_id = self.group_id(row)?;
        Ok(RoutedRequest {
            tenant: self.tenant(row)?,
            time_unix_ms: row.time()?,
            correlation_id: limited(row, "correlation_id", MAX_CORRELATION_ID_BYTES)?,
            request_key,
            request,
            actual_usage,
        })
    }

    /// The group that a row names.
    fn group_id(&self, row: &Row) -> Result<Option<u8>, InputError> {
        let Some(name) = row.text("group") else { return Ok(None) };
        let group_id = self.groups.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.groups.keys().copied().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let policy = self.policy.file().display();
            row.refuse(
                "group",
                format!("found {}, `[groups]` of {policy} has {known}", quoted(name)),
            )
        })?;
        Ok(Some(group_id))
    }

    fn excluded_models(&self, row: &Row) -> Result<ExcludedModels, InputError> {
        let names = self.excluded_names(row);
        let is_list = |name: &&&str| name.contains(',') && !self.models.contains_key(**name);
        if let Some(list) = names.iter().find(is_list) {
            let what = format!("found {}; names are separated by blanks", quoted(list));
            return Err(row.refuse("excluded_models", what));
        }
        let ids = names.into_iter().map(|name| self.model_id(name));
        ExcludedModels::new(&ids.collect::<Vec<_>>())
            .map_err(|error| row.refuse("excluded_models", error))
    }

    /// The names that a row excludes. They need not be in the catalog.
    fn excluded_names<'r>(&self, row: &'r Row) -> Vec<&'r str> {
        row.names("excluded_models").unwrap_or_default()
    }

    fn model_id(&self, name: &str) -> u32 {
        self.models.get(name).copied().unwrap_or_else(|| unlisted_model_id(name))
    }

    /// Refuses a row with missing fields that have no default, and names all of them at once.
    fn check_complete(&self, row: &Row) -> Result<(), InputError> {
        let defaults = self.policy.request_defaults();
        let has_default = [
            ("tenant", defaults.tenant.is_some()),
            ("requested_model", defaults.requested_model.is_some()),
            ("business_value_microunits", defaults.business_value_microunits.is_some()),
            ("budget_limit_microunits", defaults.budget_limit.is_some()),
            ("risk_bps", defaults.risk.is_some()),
            ("confidence_bps", defaults.confidence.is_some()),
            ("minimum_quality_bps", defaults.minimum_quality.is_some()),
        ];
        let missing = has_default
            .iter()
            .filter(|(field, has_default)| !has_default && row.text(field).is_none())
            .map(|(field, _)| *field);
        match missing.collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            [field] => Err(row.refuse(field, MISSING_AND_NO_DEFAULT)),
            [first, more @ ..] => {
                let what = format!("{MISSING_AND_NO_DEFAULT}; so are `{}`", more.join("`, `"));
                Err(row.refuse(first, what))
            }
        }
    }

    fn tenant(&self, row: &Row) -> Result<String, InputError> {
        let tenant = row.text("tenant").or(self.policy.request_defaults().tenant.as_deref());
        let tenant = tenant.ok_or_else(|| row.refuse("tenant", MISSING_AND_NO_DEFAULT))?;
        if self.policy.tenants().contains_key(tenant) {
            return Ok(tenant.to_owned());
        }
        Err(row.refuse("tenant", self.unknown_tenant(tenant)))
    }

    fn unknown_tenant(&self, tenant: &str) -> String {
        let known: Vec<&str> = self.policy.tenants().keys().map(String::as_str).collect();
        let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        let key = match tenant.chars().all(is_bare) {
            true => tenant.to_owned(),
            false => toml::Value::from(tenant).to_string(),
        };
        format!(
            "found {}, and `[tenants]` of {} has {}: add `{key} = MICROUNITS` there",
            quoted(tenant),
            self.policy.file().display(),
            known.join(", ")
        )
    }

    fn requested_model(&self, row: &Row) -> Result<u32, InputError> {
        let name = self.requested_name(row);
        let name = name.ok_or_else(|| row.refuse("requested_model", MISSING_AND_NO_DEFAULT))?;
        Ok(self.model_id(name))
    }

    fn requested_name<'r>(&'r self, row: &'r Row) -> Option<&'r str> {
        row.text("requested_model").or(self.policy.request_defaults().requested_model.as_deref())
    }

    /// The names of the models that a row asks for or excludes and the catalog does not list.
    pub(crate) fn unlisted_models<'r>(&'r self, row: &'r Row) -> impl Iterator<Item = &'r str> {
        let names = self.requested_name(row).into_iter().chain(self.excluded_names(row));
        names.filter(|name| !self.models.contains_key(name))
    }

    /// The numbers of the names in a field, or of the default names.
    fn set(
        &self,
        row: &Row,
        field: &str,
        default: &[String],
        known: &BTreeMap<&str, u8>,
    ) -> Result<Vec<u8>, InputError> {
        let names =
            row.names(field).unwrap_or_else(|| default.iter().map(String::as_str).collect());
        numbers(names.into_iter(), known).map_err(|what| row.refuse(field, what))
    }
}

/// A set as its bits.
fn bits(numbers: &[u8]) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1_u64 << (number % 64))
}

/// The most models that a message lists.
const MODELS_NAMED: usize = 8;

const U64: &str = "a whole number from 0 to 18,446,744,073,709,551,615";
const I64: &str = "a whole number from -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807";
const MISSING_AND_NO_DEFAULT: &str = "missing, and `[request]` of the policy file has no default";

fn by_name<N: Copy>(names: &BTreeMap<N, String>) -> BTreeMap<&str, N> {
    names.iter().map(|(number, name)| (name.as_str(), *number)).collect()
}

fn required<T: std::str::FromStr>(
    row: &Row,
    field: &str,
    allowed: &str,
    default: Option<T>,
) -> Result<T, InputError> {
    row.number(field, allowed)?.or(default).ok_or_else(|| row.refuse(field, MISSING_AND_NO_DEFAULT))
}

fn bps(row: &Row, field: &str, default: Option<BasisPoints>) -> Result<u16, InputError> {
    let allowed = "a whole number from 0 to 10,000";
    let found = required(row, field, allowed, default.map(BasisPoints::get))?;
    if found > 10_000 {
        return Err(row.refuse(field, format!("found `{found}`, allowed is {allowed}")));
    }
    Ok(found)
}

/// The numbers of names; otherwise a message with the unknown name and the known ones.
fn numbers<'a>(
    names: impl Iterator<Item = &'a str>,
    known: &BTreeMap<&str, u8>,
) -> Result<Vec<u8>, String> {
    let number = |name: &str| {
        known.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = known.keys().copied().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("found {}, the catalog has {known}", quoted(name))
        })
    };
    names.map(number).collect()
}

/// The text of a field that has a limit; empty if there is none.
fn limited(row: &Row, field: &str, limit_bytes: usize) -> Result<String, InputError> {
    let text = row.text(field).unwrap_or_default();
    if text.len() > limit_bytes {
        let what = format!("found {} bytes, at most {limit_bytes} are allowed", text.len());
        return Err(row.refuse(field, what));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use calybris_core::kernel::Ceiling;

    use super::*;
    use crate::input::requests::RequestFile;

    const DEFAULTS: &str = "\
[tenants]
search = 1
support = 1
[request]
tenant = \"search\"
requested_model = \"a\"
business_value_microunits = -5
budget_limit_microunits = 7
risk_bps = 1
confidence_bps = 2
minimum_quality_bps = 3
required_regions = [\"eu\"]
";

    /// A policy file `p.toml`: the limits, and then that text.
    fn policy_with(rest: &str) -> PolicyFile {
        let limits = "[policy]\npolicy_epoch = 1\ncatalog_epoch = 1\nhard_risk_limit_bps = 9_500\n\
            minimum_confidence_bps = 5_000\nrisk_penalty_multiplier_bps = 2_500\n\
            latency_penalty_microunits_per_ms = 1\n";
        PolicyFile::parse("p.toml", format!("{limits}{rest}")).unwrap()
    }

    fn names() -> Names {
        Names {
            models: [(0, "a".to_owned()), (1, "b".to_owned())].into(),
            providers: [(0, "p".to_owned()), (1, "q".to_owned())].into(),
            capabilities: [(0, "tools".to_owned()), (5, "vision".to_owned())].into(),
            regions: [(2, "eu".to_owned()), (3, "us".to_owned())].into(),
            groups: [(0, "fast".to_owned()), (1, "safe".to_owned())].into(),
        }
    }

    fn parse(text: &str) -> Result<RoutedRequest, String> {
        let policy = policy_with(DEFAULTS);
        let names = names();
        let parser = RequestParser::new(&policy, &names);
        let file = RequestFile::bundled("r", text);
        let row = file.rows().and_then(|mut rows| rows.next().unwrap());
        row.and_then(|row| parser.parse(&row, 1)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_row_leaves_out_comes_from_the_policy_file() {
        let routed = parse("input_tokens,output_tokens\n10,20\n").unwrap();
        assert_eq!((routed.tenant.as_str(), routed.time_unix_ms), ("search", None));
        assert_eq!(routed.actual_usage.output_tokens, 20);
        let request = routed.request;
        assert_eq!((request.sequence, request.requested_model_id), (1, 0));
        assert_eq!((request.business_value_microunits, request.budget_limit.get()), (-5, 7));
        assert_eq!(
            (request.risk.get(), request.confidence.get(), request.minimum_quality.get()),
            (1, 2, 3)
        );
        assert_eq!(request.required_regions, RegionSet::from_bits(0b100));
        assert_eq!(request.allowed_providers, ProviderSet::ALL);
    }

    #[test]
    fn a_row_overrides_the_defaults() {
        let routed = parse(
            r#"{"tenant": "support", "time": "1970-01-01T00:00:01.5Z", "sequence": 9, "requested_model": "b",
            "input_tokens": 1, "output_tokens": 2, "actual_output_tokens": 0, "risk_bps": 10000,
            "required_capabilities": ["vision", "tools"], "allowed_providers": "q", "required_regions": "us eu"}"#
                .replace('\n', " ")
                .leak(),
        )
        .unwrap();
        assert_eq!((routed.tenant.as_str(), routed.time_unix_ms), ("support", Some(1_500)));
        let request = routed.request;
        assert_eq!(
            (request.sequence, request.requested_model_id, request.risk.get()),
            (9, 1, 10_000)
        );
        assert_eq!(request.required_capabilities, CapabilitySet::from_bits(0b10_0001));
        assert_eq!(request.required_regions, RegionSet::from_bits(0b1100));
        assert!(request.allowed_providers.contains(1) && !request.allowed_providers.contains(0));
        assert_eq!(routed.actual_usage.output_tokens, 0);
    }

    #[test]
    fn an_empty_list_overrides_a_default_and_an_empty_text_does_not() {
        let routed = parse(r#"{"input_tokens": 1, "output_tokens": 2, "required_regions": []}"#);
        assert_eq!(routed.unwrap().request.required_regions, RegionSet::from_bits(0));
        let routed = parse(r#"{"input_tokens": 1, "output_tokens": 2, "required_regions": ""}"#);
        assert_eq!(routed.unwrap().request.required_regions, RegionSet::from_bits(0b100));
    }

    #[test]
    fn a_wrong_default_is_blamed_on_the_policy_file() {
        let names = names();
        for (from, to) in [
            ("\"eu\"", "\"mars\""),
            ("tenant = \"search\"", "tenant = \"mars\""),
            ("requested_model = \"a\"", "requested_model = \"mars\""),
        ] {
            let policy = policy_with(&DEFAULTS.replace(from, to));
            let parser = RequestParser::new(&policy, &names);
            let refused = parser.check_defaults().unwrap_err().to_string();
            assert!(
                refused.starts_with("p.toml:1")
                    && refused.contains(": `[request]`: ")
                    && refused.contains("`mars`"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_request_with_a_key_is_the_same_wherever_it_stands() {
        let (policy, names) = (policy_with(DEFAULTS), names());
        let parser = RequestParser::new(&policy, &names);
        let text =
            "request_key,sequence,input_tokens,output_tokens\nk,,1,1\n,,1,1\nk,,1,1\nk,7,1,1\n";
        let rows = RequestFile::bundled("r", text);
        let parsed = (1..)
            .zip(rows.rows().unwrap())
            .map(|(at, row)| parser.parse(&row.unwrap(), at).unwrap());
        let found: Vec<_> =
            parsed.map(|routed| (routed.request_key, routed.request.sequence)).collect();
        let expected =
            [("k", 0), ("", 2), ("k", 0), ("k", 7)].map(|(key, at)| (key.to_owned(), at));
        assert_eq!(found, expected);
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let (policy, names) = (policy_with("[tenants]\nt = 1\n[request]\nrisk_bps = 1\n"), names());
        let parser = RequestParser::new(&policy, &names);
        let text = "tenant,input_tokens,output_tokens,confidence_bps\nt,1,1,\n";
        let file = RequestFile::bundled("r", text);
        let row = file.rows().unwrap().next().unwrap().unwrap();
        let message = parser.parse(&row, 1).unwrap_err().to_string();
        let first = "r:2: `requested_model`: missing, and `[request]` of the policy file has no default; so are";
        let others = "`business_value_microunits`, `budget_limit_microunits`, `confidence_bps`, `minimum_quality_bps`";
        assert_eq!(message, format!("{first} {others}"));
    }

    #[test]
    fn a_model_outside_the_catalog_may_be_requested() {
        let routed = parse("requested_model,input_tokens,output_tokens\nretired,10,20\n").unwrap();
        assert_eq!(routed.request.requested_model_id, unlisted_model_id("retired"));
    }

    #[test]
    fn candidates_are_a_group_without_the_excluded_models() {
        let csv = "input_tokens,output_tokens,group,excluded_models\n1,1,safe,b retired a b\n";
        let request = parse(csv).unwrap().request;
        assert_eq!(request.group_id, Some(1));
        let excluded = [0, 1, unlisted_model_id("retired")];
        assert_eq!(request.excluded_models.model_ids(), excluded);
        let request = parse("input_tokens,output_tokens,group\n1,1,\n").unwrap().request;
        assert_eq!((request.group_id, request.excluded_models.is_empty()), (None, true));
        // A list with commas would be one name that no model has.
        let list = parse("input_tokens,output_tokens,excluded_models\n1,1,\"a,b\"\n").unwrap_err();
        assert!(list.contains("found `a,b`; names are separated by blanks"), "{list}");
        let excluding = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
            let csv =
                format!("input_tokens,output_tokens,excluded_models\n1,1,{}\n", names.join(" "));
            parse(csv.leak()).map(|routed| routed.request.excluded_models.model_ids().len())
        };
        assert_eq!(excluding(16), Ok(16));
        let text = excluding(17).unwrap_err();
        assert!(
            text.starts_with("r:2:5: `excluded_models`: 17 model ids are to be excluded"),
            "{text}"
        );
    }

    #[test]
    fn a_ceiling_comes_from_the_row_or_the_policy_file() {
        let text = r#"{"input_tokens": 1, "output_tokens": 2, "max_completion_tokens": 50, "actual_output_tokens": 50}"#;
        let routed = parse(text).unwrap();
        assert_eq!(routed.request.ceiling, Some(Ceiling::new(1, 50)));
        assert_eq!(routed.actual_usage, Usage::new(1, 50));
        assert_eq!(parse("input_tokens,output_tokens\n1,2\n").unwrap().request.ceiling, None);
        let policy = policy_with(&format!("{DEFAULTS}max_completion_tokens = 9\n"));
        let names = names();
        let parser = RequestParser::new(&policy, &names);
        let file = RequestFile::bundled("r", "input_tokens,output_tokens\n1,2\n");
        let row = file.rows().unwrap().next().unwrap().unwrap();
        let ceiling = parser.parse(&row, 1).unwrap().request.ceiling;
        assert_eq!(ceiling, Some(Ceiling::new(1, 9)));
    }

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let routed =
            parse("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n");
        assert_eq!(routed.unwrap().time_unix_ms, Some(1_700_158_546_680));
    }

    #[test]
    fn every_refusal_names_line_field_found_and_allowed() {
        for (text, parts) in [
            ("input_tokens,output_tokens\n1,\n", ["r:2:3: `output_tokens`", "missing"]),
            (
                "input_tokens,output_tokens\n4294967296,1\n",
                ["`input_tokens`: found `4294967296`", "from 0 to 4,294,967,295"],
            ),
            (
                "input_tokens,output_tokens,risk_bps\n1,1,10001\n",
                ["r:2:5: `risk_bps`: found `10001`", "from 0 to 10,000"],
            ),
            (
                "input_tokens,output_tokens,tenant\n1,1,x\n",
                ["`tenant`: found `x`", "search, support"],
            ),
            (
                "input_tokens,output_tokens,required_capabilities\n1,1,visoin\n",
                ["found `visoin`", "tools, vision"],
            ),
            ("input_tokens,output_tokens,allowed_providers\n1,1,z\n", ["found `z`", "p, q"]),
            (
                "input_tokens,output_tokens,group\n1,1,slow\n",
                ["r:2:5: `group`: found `slow`", "`[groups]` of p.toml has fast, safe"],
            ),
            (
                "input_tokens,output_tokens,actual_output_tokens\n1,1,2\n",
                ["`actual_output_tokens`: found 2", "from 0 to 1:"],
            ),
            ("input_tokens,output_tokens,time\n1,1,noon\n", ["`time`: found `noon`", "2026-11-02"]),
            (
                "input_tokens,output_tokens,time\n1,1,1969-12-31T23:59:59Z\n",
                ["`time`", "since 1970"],
            ),
        ] {
            let message = parse(text).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        for field in ["correlation_id", "request_key"] {
            let row =
                |bytes| format!("input_tokens,output_tokens,{field}\n1,1,{}\n", "x".repeat(bytes));
            assert!(parse(row(64).leak()).is_ok());
            let message = parse(row(65).leak()).unwrap_err();
            assert!(message.contains(&format!("`{field}`: found 65 bytes")), "{message}");
        }
    }
}
