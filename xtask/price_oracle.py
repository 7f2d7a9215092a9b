"""Prices calls with the cost function of the price list's own project, and writes the table that the importer is compared with.

usage: price_oracle.py LIST.json --table FILE     rows and costs of a choice of models: the table of the tests
       price_oracle.py LIST.json --all FILE       rows and costs of every model of the list that has prices

It needs `pip install litellm==1.110.0` (`cargo xtask price-oracle` makes such an environment) and no network afterwards. The table
holds numbers only: the price rows of the chosen models as the list states them, the counts of each shape of usage, and the cost
of each shape in thousandths of a microunit. Each row is priced alone, so no other row of the list can stand in for it.
"""

import json
import os
import re
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from litellm.cost_calculator import cost_per_token  # noqa: E402
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token  # noqa: E402
from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import StandardBuiltInToolCostTracking  # noqa: E402
from litellm.types.utils import Usage  # noqa: E402
from litellm.utils import _invalidate_model_cost_lowercase_map  # noqa: E402

litellm.suppress_debug_info = True

# The order of the counts in each shape.
CLASSES = [
    "input", "cache_read", "cache_write", "cache_write_long", "audio_input", "output", "reasoning", "audio_output", "searches",
]
THRESHOLDS = [32_000, 100_000, 128_000, 200_000, 256_000, 272_000, 512_000]


def shapes():
    """Name to counts. Every threshold of the list is met exactly and exceeded by one token."""
    found = {
        "plain": [1_000, 0, 0, 0, 0, 500, 0, 0, 0],
        "one token each": [1, 0, 0, 0, 0, 1, 0, 0, 0],
        "cached": [20_000, 80_000, 0, 0, 0, 1_000, 0, 0, 0],
        "written short": [3_000, 0, 20_000, 0, 0, 800, 0, 0, 0],
        "written long": [3_000, 0, 0, 20_000, 0, 800, 0, 0, 0],
        "read and written": [3_000, 50_000, 5_000, 7_000, 0, 900, 0, 0, 0],
        "reasoning": [2_000, 0, 0, 0, 0, 300, 4_000, 0, 0],
        "audio input": [500, 0, 0, 0, 3_000, 400, 0, 0, 0],
        "audio output": [500, 0, 0, 0, 0, 100, 0, 2_000, 0],
        "one search": [5_000, 0, 0, 0, 0, 700, 0, 0, 1],
        "three searches": [5_000, 0, 0, 0, 0, 700, 0, 0, 3],
        "mixture": [11_000, 13_000, 1_700, 1_900, 2_300, 2_900, 3_100, 370, 2],
        "long mixture": [101_000, 230_000, 17_000, 19_000, 2_300, 29_000, 31_000, 370, 2],
        "longest": [900_000, 0, 0, 0, 0, 60_000, 0, 0, 0],
    }
    for threshold in THRESHOLDS:
        for name, prompt in [("at", threshold), ("above", threshold + 1)]:
            read, written = threshold * 3 // 5, 2_000
            counts = [prompt - read - written, read, written, 0, 0, 1_500, 500, 0, 0]
            found[f"{name} {threshold // 1000}k"] = counts
    return found


def provider_of(row):
    """The name under which the cost function knows the provider of a row."""
    provider = row["litellm_provider"]
    if provider.startswith("vertex_ai"):
        return "vertex_ai"
    return "bedrock" if provider == "bedrock_converse" else provider


def tiers(row):
    """The tiers of a row besides the standard one, by the keys that it lists."""
    found = []
    for tier, suffix in [
        ("batch", "_batches"), ("flex", "_flex"), ("priority", "_priority"), ("balanced", "_balanced"), ("ultrafast", "_ultrafast"),
    ]:
        if any(re.fullmatch(r"(in|out)put_cost_per_token(_above_\w+_tokens)?" + suffix, key) for key in row):
            found.append(tier)
    for region in ["us", "eu"]:
        multiplier = row.get(f"regional_processing_uplift_multiplier_{region}")
        if multiplier is not None or region in (row.get("provider_specific_entry") or {}):
            found.append(region)
    if "fast" in (row.get("provider_specific_entry") or {}):
        found.append("fast")
    if row.get("regional_endpoint_uplift_multiplier") is not None:
        found.append("regional")
    return found


def usage_of(row, counts, tier):
    count = dict(zip(CLASSES, counts))
    prompt = sum(counts[:5])
    completion = sum(counts[5:8])
    long_key = "ephemeral_12h_input_tokens" if any("above_12hr" in key for key in row) else "ephemeral_1h_input_tokens"
    written = count["cache_write"] + count["cache_write_long"]
    details = {}
    if count["cache_read"]:
        details["cached_tokens"] = count["cache_read"]
    if written:
        details["cache_write_tokens"] = written
        details["cache_creation_token_details"] = {
            "ephemeral_5m_input_tokens": count["cache_write"], long_key: count["cache_write_long"],
        }
    if count["audio_input"]:
        details["audio_tokens"] = count["audio_input"]
    more = {}
    if count["searches"]:
        details["web_search_requests"] = count["searches"]
        more["server_tool_use"] = {"web_search_requests": count["searches"]}
        more["server_side_tool_usage_details"] = {"web_search_calls": count["searches"]}
    if tier in (row.get("provider_specific_entry") or {}):
        more["speed" if tier == "fast" else "inference_geo"] = tier
    completion_details = {}
    if count["reasoning"]:
        completion_details["reasoning_tokens"] = count["reasoning"]
    if count["audio_output"]:
        completion_details["audio_tokens"] = count["audio_output"]
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=details or None,
        completion_tokens_details=completion_details or None,
        **more,
    )


def costs_of(name, row, tier):
    """The cost of each shape in thousandths of a microunit; None where the list prices no search."""
    # Hours are not modelled: the row is priced as in peak hours.
    row = {key: value for key, value in row.items() if key != "off_peak_pricing"}
    litellm.model_cost = {name: row}
    _invalidate_model_cost_lowercase_map()
    provider = provider_of(row)
    arguments = {}
    if tier == "batch":
        arguments["call_type"] = "retrieve_batch"
    elif tier in ("us", "eu"):
        arguments["data_residency"] = tier
    elif tier == "regional":
        arguments["vertex_location"] = "us-east5"
    elif tier not in (None, "fast"):
        arguments["service_tier"] = tier
    found = []
    for counts in SHAPES.values():
        if counts[8] and not row.get("search_context_cost_per_query"):
            # The function has fees for searches that the list does not price.
            found.append(None)
            continue
        usage = usage_of(row, counts, tier)
        cost = sum(cost_per_token(model=name, custom_llm_provider=provider, usage_object=usage, **arguments))
        if counts[8]:
            cost += StandardBuiltInToolCostTracking.get_cost_for_built_in_tools(
                model=name, response_object=None, usage=usage, custom_llm_provider=provider
            )
        found.append(round(cost * 1e9))
    return found


def costs_in_general(name, row, tier):
    """The costs by the project's general function, for providers whose own function passes over keys of the list."""
    litellm.model_cost = {name: row}
    _invalidate_model_cost_lowercase_map()
    return [
        None if counts[8] else round(1e9 * sum(generic_cost_per_token(
            model=name, usage=usage_of(row, counts, tier), custom_llm_provider=row["litellm_provider"], service_tier=tier
        )))
        for counts in SHAPES.values()
    ]


# Perplexity's function passes over long-prompt keys, and the one of Fireworks over service tiers.
PASSED_OVER = {"perplexity": [None], "fireworks_ai": ["priority"]}


PRICED = re.compile(r"(cost|pricing|provider_specific_entry|multiplier|billing_unit|search_free|max_(in|out)put_tokens|^mode$|litellm_provider)")


def has_prices(row):
    both = row.get("input_cost_per_token") is not None and row.get("output_cost_per_token") is not None
    return row.get("mode") in ("chat", "responses") and (both or bool(row.get("tiered_pricing")))


def features_of(name, row):
    """What a row shows that another may not: the choice of models covers each with each provider that has it."""
    found = {("provider", row["litellm_provider"]), ("mode", row["mode"])}
    for key, value in row.items():
        if value is None or not PRICED.search(key) or key in ("mode", "litellm_provider", "max_input_tokens", "max_output_tokens"):
            continue
        found.add((key, row["litellm_provider"]))
        if key == "tiered_pricing":
            found.add((key, row["litellm_provider"], len(value), tuple(sorted(set().union(*value)))))
        if key == "search_context_cost_per_query":
            found.add((key, len(set(value.values())) > 1, row.get("web_search_billing_unit")))
    found.add((row["litellm_provider"], tuple(sorted(key for key in row if "_above_" in key))))
    found.add((row["litellm_provider"], tuple(tiers(row)), "cache_read_input_token_cost" in row))
    entry, out = row.get("max_input_tokens") or 0, row.get("max_output_tokens") or 0
    found.add(("window", entry == 0, out == 0, out >= entry))
    return found


def chosen(rows):
    """Few models with every feature: each time the one that adds most, by name where two add as much."""
    open_features = {name: features_of(name, row) for name, row in rows.items()}
    seen, names = set(), []
    while True:
        best = max(open_features, key=lambda name: (len(open_features[name] - seen), name))
        if not open_features[best] - seen:
            break
        seen |= open_features.pop(best)
        names.append(best)
    # And the best-known names.
    for name in WELL_KNOWN:
        if name in rows and name not in names:
            names.append(name)
    return sorted(names)


WELL_KNOWN = [
    "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "o3", "claude-sonnet-4-5", "claude-opus-4-1", "claude-haiku-4-5",
    "gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash", "deepseek/deepseek-chat", "xai/grok-4", "gpt-4o-audio-preview",
]

SHAPES = shapes()


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in ("--table", "--all"):
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        listed = json.load(file)
    rows = {name: row for name, row in listed.items() if has_prices(row)}
    names = sorted(rows) if sys.argv[2] == "--all" else chosen(rows)
    models = {}
    for name in names:
        row = rows[name]
        costs = {tier or "standard": costs_of(name, row, tier) for tier in [None, *tiers(row)]}
        for tier in PASSED_OVER.get(row["litellm_provider"], []):
            if (tier or "standard") in costs:
                costs[f"{tier or 'standard'} in general"] = costs_in_general(name, row, tier)
        kept = {key: value for key, value in row.items() if PRICED.search(key)}
        models[name] = {"row": kept, "costs": costs}
    with open(sys.argv[3], "w") as file:
        file.write('{"source":"prices: the price list of LiteLLM (MIT licence); costs: the cost function of its package, litellm 1.110.0",\n')
        file.write('"classes":' + json.dumps(CLASSES, separators=(",", ":")))
        file.write(',\n"shapes":[\n')
        lines = [json.dumps([name, counts], separators=(",", ":")) for name, counts in SHAPES.items()]
        file.write(",\n".join(lines) + '\n],\n"models":{\n')
        lines = [json.dumps(name) + ":" + json.dumps(model, separators=(",", ":")) for name, model in models.items()]
        file.write(",\n".join(lines) + "\n}}\n")
    print(f"{len(models)} models, {sum(len(model['costs']) for model in models.values())} rows, {len(SHAPES)} shapes")


main()
