//! The kinds of files that the program reads: small valid ones, and the command that reads each.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A kind of input file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    RequestsCsv,
    AzureCsv,
    BurstGpt,
    Mooncake,
    JsonLines,
    Policy,
    Catalog,
    PriceList,
    Key,
    Proof,
    Anchor,
    TreeHead,
}

impl Kind {
    pub(super) const ALL: [Self; 12] = [
        Self::RequestsCsv,
        Self::AzureCsv,
        Self::BurstGpt,
        Self::Mooncake,
        Self::JsonLines,
        Self::Policy,
        Self::Catalog,
        Self::PriceList,
        Self::Key,
        Self::Proof,
        Self::Anchor,
        Self::TreeHead,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RequestsCsv => "requests-csv",
            Self::AzureCsv => "azure-csv",
            Self::BurstGpt => "burstgpt",
            Self::Mooncake => "mooncake",
            Self::JsonLines => "json-lines",
            Self::Policy => "policy",
            Self::Catalog => "catalog",
            Self::PriceList => "price-list",
            Self::Key => "key",
            Self::Proof => "proof",
            Self::Anchor => "anchor",
            Self::TreeHead => "tree-head",
        }
    }

    pub(super) fn file_name(self) -> String {
        format!("mutated-{}", self.name())
    }

    /// Makes each kind have files of its own under one seed.
    pub(super) fn salt(self) -> u64 {
        self.name()
            .bytes()
            .fold(7, |salt, byte| salt.wrapping_mul(131).wrapping_add(u64::from(byte)) << 1)
    }

    pub(super) const fn is_requests(self) -> bool {
        matches!(
            self,
            Self::RequestsCsv | Self::AzureCsv | Self::BurstGpt | Self::Mooncake | Self::JsonLines
        )
    }

    /// Whether its command writes a log, and so must not before the file is known to be good.
    pub(super) const fn makes_log(self) -> bool {
        self.is_requests() || matches!(self, Self::Policy | Self::Catalog | Self::PriceList)
    }

    /// Whether its command may find that something is not what the file says.
    pub(super) const fn has_verdict(self) -> bool {
        matches!(self, Self::Key | Self::Proof | Self::Anchor | Self::TreeHead)
    }

    /// Refusals that concern a file as a whole, and so name no place in it.
    pub(super) const fn found_in_whole_files(self) -> &'static [&'static str] {
        match self {
            Self::RequestsCsv
            | Self::AzureCsv
            | Self::BurstGpt
            | Self::Mooncake
            | Self::JsonLines => {
                &[" is text in UTF-", " is compressed with gzip", " holds no request"]
            }
            Self::Policy => &[
                " is text in UTF-",
                " is compressed with gzip",
                "`policy` is missing",
                "nobody has a budget: add a table `[tenants]`",
            ],
            Self::Catalog | Self::PriceList => {
                &[" is text in UTF-", " is compressed with gzip", " holds no model", "; at most "]
            }
            Self::Key => &[
                " is text in UTF-",
                " is compressed with gzip",
                " is empty; a key file",
                " was written with key ",
            ],
            // A proof that is whole, and for another tree head or of another version.
            Self::Proof => &[
                " is text in UTF-",
                " is compressed with gzip",
                " cannot be checked with this tree head",
                ": its version is ",
                " and one was given",
                " without which nothing can be checked",
            ],
            Self::Anchor | Self::TreeHead => &[
                " is text in UTF-",
                " is compressed with gzip",
                "/log: ",
                " cannot be checked with this tree head",
                " of another log",
            ],
        }
    }

    /// The command that reads such a file.
    pub(super) fn arguments(self, workshop: &Workshop, file: &Path, log: &Path) -> Vec<String> {
        let made = |name: &str| workshop.dir.join(name).display().to_string();
        let (file, log) = (file.display().to_string(), log.display().to_string());
        let route = |policy: String, catalog: String, requests: String| {
            let words = [
                "route",
                "--json",
                "--each",
                "--policy",
                &policy,
                "--catalog",
                &catalog,
                "--requests",
                &requests,
                "--log",
                &log,
            ];
            words.map(str::to_owned).to_vec()
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::RequestsCsv | Self::AzureCsv | Self::JsonLines => {
                route(made("policy.toml"), made("catalog.toml"), file)
            }
            Self::BurstGpt | Self::Mooncake => {
                let mut words = route(made("policy.toml"), made("catalog.toml"), file);
                words.extend(["--start", "2026-11-02T09:00:00Z"].map(str::to_owned));
                words
            }
            Self::Policy => route(file, made("catalog.toml"), made("requests.csv")),
            Self::Catalog | Self::PriceList => {
                route(made("policy.toml"), file, made("requests.csv"))
            }
            Self::Key => words(&["verify", &made("keyed-log"), "--key-file", &file]),
            Self::Proof => words(&["check", &file, "--tree-head", &made("tree-head")]),
            Self::Anchor => words(&["verify", &made("log"), "--anchor", &file]),
            Self::TreeHead => words(&["check", &made("proof.json"), "--tree-head", &file]),
        }
    }
}

/// A directory with a valid file of each kind and the logs that some are about.
pub(super) struct Workshop {
    dir: PathBuf,
    pub(super) program: PathBuf,
}

impl Workshop {
    pub(super) fn set_up(dir: &Path, program: &Path) -> Result<Self, String> {
        let workshop = Self { dir: dir.to_path_buf(), program: program.to_path_buf() };
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for (name, text) in [
            ("policy.toml", POLICY),
            ("catalog.toml", CATALOG),
            ("prices.json", PRICES),
            ("requests.csv", REQUESTS),
            ("requests.jsonl", LINES),
            ("azure.csv", AZURE),
            ("azure-images.csv", AZURE_IMAGES),
            ("burstgpt.csv", BURSTGPT),
            ("mooncake.jsonl", MOONCAKE),
        ] {
            workshop.write(name, text.as_bytes())?;
        }
        let route =
            "route --policy policy.toml --catalog catalog.toml --requests requests.csv --log";
        workshop.run(&format!("{route} log"))?;
        workshop.run("keygen log.key")?;
        workshop.run(&format!("{route} keyed-log --key-file log.key"))?;
        workshop.run("keygen newer.key --replaces log.key")?;
        let decision = workshop.run("show log --json --limit 1")?;
        let decision: serde_json::Value =
            serde_json::from_str(decision.lines().next().unwrap_or_default())
                .map_err(|error| format!("show: {error}"))?;
        let sequence =
            decision.get("sequence").and_then(serde_json::Value::as_u64).unwrap_or_default();
        workshop.run(&format!("prove log {sequence} --output proof.json"))?;
        let anchor = workshop.run("anchor log")?;
        workshop.write("anchor", anchor.as_bytes())?;
        let head = workshop.run("anchor log --tree")?;
        workshop.write("tree-head", head.as_bytes())?;
        Ok(workshop)
    }

    /// A directory for one thread.
    pub(super) fn bench(&self, thread: usize) -> Result<PathBuf, String> {
        let bench = self.dir.join(format!("bench-{thread}"));
        std::fs::create_dir_all(&bench).map_err(|error| format!("{}: {error}", bench.display()))?;
        Ok(bench)
    }

    /// Valid files of a kind, and at the end one of another kind, as people confuse them.
    pub(super) fn seeds(&self, kind: Kind) -> Vec<Vec<u8>> {
        let names: &[&str] = match kind {
            Kind::RequestsCsv => {
                &["requests.csv", "requests.csv", "requests.csv", "requests.csv", "policy.toml"]
            }
            Kind::AzureCsv => &["azure.csv", "azure-images.csv", "azure.csv"],
            Kind::BurstGpt => &["burstgpt.csv"],
            Kind::Mooncake => &["mooncake.jsonl"],
            Kind::JsonLines => {
                &["requests.jsonl", "requests.jsonl", "requests.jsonl", "prices.json"]
            }
            Kind::Policy => {
                &["policy.toml", "policy.toml", "policy.toml", "policy.toml", "catalog.toml"]
            }
            Kind::Catalog => &["catalog.toml", "catalog.toml", "catalog.toml", "policy.toml"],
            Kind::PriceList => &["prices.json"],
            Kind::Key => &["log.key", "newer.key", "log.key"],
            Kind::Proof => &["proof.json"],
            Kind::Anchor => &["anchor", "anchor", "anchor", "tree-head"],
            Kind::TreeHead => &["tree-head", "tree-head", "anchor"],
        };
        names.iter().filter_map(|name| std::fs::read(self.dir.join(name)).ok()).collect()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        std::fs::write(self.dir.join(name), bytes).map_err(|error| format!("{name}: {error}"))
    }

    /// Runs the program in the directory and returns its output; it must succeed.
    fn run(&self, line: &str) -> Result<String, String> {
        let ran = Command::new(&self.program)
            .current_dir(&self.dir)
            .args(line.split_whitespace())
            .output();
        let ran = ran.map_err(|error| format!("{}: {error}", self.program.display()))?;
        if !ran.status.success() {
            return Err(format!("calybris {line}: {}", String::from_utf8_lossy(&ran.stderr)));
        }
        Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
    }
}

const POLICY: &str = "\
# Limits
[policy]
policy_epoch = 1
catalog_epoch = 1
hard_risk_limit_bps = 9_000
minimum_confidence_bps = 5_000
risk_penalty_multiplier_bps = 2_500
latency_penalty_microunits_per_ms = 1

[tenants]
web = 1_000_000
\"batch jobs\" = 5_000

[request]
tenant = \"web\"
requested_model = \"large\"
business_value_microunits = 20_000
budget_limit_microunits = 20_000
risk_bps = 500
confidence_bps = 9_000
minimum_quality_bps = 5_000
required_capabilities = []
max_completion_tokens = 4_096

[catalog]
fill_silent_rates = true
disable_free_models = false

[groups]
cheap = [\"sm*\", \"*@batch\"]

[[model]]
name = \"*\"
set = { quality_bps = 8_000, risk_ceiling_bps = 9_000, p95_latency_ms = 500, regions = [\"eu\"], max_total_tokens = 200_000 }

[[model]]
name = \"sm[ae]ll\"
provider = \"n*\"
set = { quality_bps = 7_000, enabled = true }
";

const CATALOG: &str = "\
[[model]]
name = \"large\"
provider = \"north\"
input_price_microunits_per_million_tokens = 2_500_000
output_price_microunits_per_million_tokens = 10_000_000
capabilities = [\"vision\", \"tools\"]
quality_bps = 9_500
cache_read_price_microunits_per_million_tokens = 250_000
search_fee_microunits = 10_000
search_fee_unit = \"request\"
max_prompt_tokens = 128_000

[[model.band]]
above_prompt_tokens = 64_000
input_price_microunits_per_million_tokens = 5_000_000

[[model]]
name = \"small\"
provider = \"south\"
input_price_microunits_per_million_tokens = 150_000
output_price_microunits_per_million_tokens = 600_000
fixed_price_microunits = 3
";

const PRICES: &str = r#"{
  "sample_spec": {"mode": "one of: chat, embedding", "supports_vision": true},
  "large": {"mode": "chat", "litellm_provider": "north", "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": "1e-05", "supports_vision": true, "supports_tools": true,
    "search_context_cost_per_query": {"low": 0.03, "high": "0.05"}, "max_input_tokens": 128000, "max_output_tokens": 4096.0,
    "cache_read_input_token_cost": 2.5e-07, "input_cost_per_token_above_64k_tokens": 5e-06, "input_cost_per_token_batches": 1e-06,
    "provider_specific_entry": {"us": 1.1}, "deprecation_date": "2027-01-01", "metadata": [0.05, null]},
  "small": {"mode": "chat", "litellm_provider": "south", "input_cost_per_token": 1.5000000000000002e-07,
    "output_cost_per_token": 6e-07,
    "tiered_pricing": [{"range": [0, 32000.0], "input_cost_per_token": 1e-06}, {"range": [32e3, 64e3], "input_cost_per_token": 2e-06}]},
  "embed": {"mode": "embedding", "litellm_provider": "north", "input_cost_per_token": 1e-07}
}
"#;

const REQUESTS: &str = "\
time,tenant,requested_model,input_tokens,output_tokens,actual_output_tokens,correlation_id,required_regions,\
cache_read_tokens,max_completion_tokens,allowed_classes,excluded_models,group
2026-11-02T09:00:00Z,web,large,1000,500,400,\"call \"\"1\"\"\",eu,,,,,
2026-11-02 09:00:01,batch jobs,small,20,5,,\"a,b\",,,,,large gone,cheap
1793610002,web,,1000,500,550,,,9000,600,input cache_read output,,
1793610003250,,large,3,4,0,\u{fc},eu,0,4,,,
2026-11-02T10:00:04[Europe/Berlin],web,gone,7,8,,x,,,,,,
";

const LINES: &str = r#"{"time": "2026-11-02T09:00:00Z", "tenant": "web", "input_tokens": 1000, "output_tokens": 500}
{"Tenant": "batch jobs", "input_tokens": "20", "output_tokens": 5, "required_regions": ["eu"], "correlation_id": null}

{"time": 1793610002.5, "input_tokens": 1, "output_tokens": 2, "actual_output_tokens": 1, "request_key": "k\n1", "risk_bps": 20, "searches": 1, "max_searches": 2, "allowed_classes": ["input", "output"], "excluded_models": ["small"], "group": null}
"#;

const AZURE: &str = "\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2024-05-10 00:00:00.009930+00:00,2162,5
";

const AZURE_IMAGES: &str = "\
TIMESTAMP,NumImages,ContextTokens,GeneratedTokens
2024-10-10 00:00:00.009930,1,2162,5
2024-10-10 00:00:01.25,0,162,50
";

const BURSTGPT: &str = "\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45.5,GPT-4,1087,230,1317,\"API log, new\"
118,GPT-4,417,276,693,Conversation log
";

const MOONCAKE: &str = r#"{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 3052, "input_length": 7319, "output_length": 490, "hash_ids": []}
"#;
