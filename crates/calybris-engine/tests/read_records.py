#!/usr/bin/env python3
"""A second reader of an engine's log: prints what `calybris export --format jsonl` prints.

    read_records.py [--key-file FILE]... DIRECTORY
    read_records.py --payloads

The first form prints one line of JSON for each record of a log. It stops at the first record that
it refuses, and names its sequence and the byte of its payload:

    refused: record 7, byte 12: EventV1 has no variant 13

The second form reads payloads from standard input, one in hexadecimal on each line, and answers
each with its JSON as an enum, or with `refused: byte 12: ...`.

It was written from RECORDS.md and FORMAT.md, shares no code with the crates, and needs nothing but
the standard library. The tables below are those of RECORDS.md, in the same order. The log itself is
read by verify_log.py, which was written from FORMAT.md.

Exit status: 0 when every record was read, 1 when a record was refused or the log is corrupt, 2 when
the log could not be checked.
"""

import datetime
import hashlib
import json
import os
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../calybris-wal/tests"))
import verify_log

SCHEMA_ID = 0x434C5902


class Refused(Exception):
    """A payload that is no record: the byte at which that shows, and why; in a log also which."""

    def __init__(self, at, why):
        self.sequence, self.at, self.why = None, at, why

    def __str__(self):
        record = f"record {self.sequence}, " if self.sequence else ""
        return f"{record}byte {self.at}: {self.why}"


# The encoding. A type is a function that takes its value off the front of a payload, or the name of
# a struct or an enum in the tables below.


class Payload:
    def __init__(self, data):
        self.data, self.at = data, 0
        # Whether it has said something that no first version says.
        self.says_more = False

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused(self.at, "the payload ends early")
        self.at += count
        return self.data[self.at - count : self.at]


def read(of_type, payload):
    return of_type(payload) if callable(of_type) else TABLES[of_type](payload)


def u8(payload):
    return payload.take(1)[0]


def integer(bits):
    def take(payload):
        at, marker = payload.at, u8(payload)
        if marker < 251:
            return marker
        size = {251: 2, 252: 4, 253: 8}.get(marker)
        if size is None or 8 * size > bits:
            raise Refused(at, f"the marker {marker} in a u{bits}")
        return int.from_bytes(payload.take(size), "little")

    return take


u16, u32, u64 = integer(16), integer(32), integer(64)


def i64(payload):
    number = u64(payload)
    return number // 2 if number % 2 == 0 else -(number + 1) // 2


def boolean(payload):
    at, byte = payload.at, u8(payload)
    if byte > 1:
        raise Refused(at, f"{byte} is neither 0 nor 1")
    return byte == 1


def text(payload):
    length = u64(payload)
    at = payload.at
    try:
        return payload.take(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(at + error.start, "the text is not UTF-8")


def text_up_to(bytes_at_most):
    def take(payload):
        at, value = payload.at, text(payload)
        length = len(value.encode("utf-8"))
        if length > bytes_at_most:
            raise Refused(at, f"a text of {length} bytes, where at most {bytes_at_most} may be")
        return value

    return take


def reason(payload):
    """The reason of a change: without control characters. No first version has one."""
    at, value = payload.at, text_up_to(256)(payload)
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise Refused(at, "a control character in a reason")
    payload.says_more |= value != ""
    return value


def optional(of_type):
    return lambda payload: read(of_type, payload) if boolean(payload) else None


def list_of(of_type, ascending_by=None):
    """A list; if a field is named, strictly ascending by it."""

    def take(payload):
        elements = []
        for _ in range(u64(payload)):
            at, element = payload.at, read(of_type, payload)
            if ascending_by and elements and elements[-1][ascending_by] >= element[ascending_by]:
                raise Refused(at, f"the list is not strictly ascending by {ascending_by}")
            elements.append(element)
        return elements

    return take


def map_of(key_type, value_type, up_to=None):
    def take(payload):
        entries, before = {}, -1
        for _ in range(u64(payload)):
            at, key = payload.at, key_type(payload)
            if key <= before:
                raise Refused(at, "the map is not strictly ascending")
            if up_to is not None and key > up_to:
                raise Refused(at, f"the key {key}, where {up_to} is the highest")
            entries[str(key)], before = value_type(payload), key
        return entries

    return take


def numbers(most=None):
    """A list of u32, strictly ascending."""

    def take(payload):
        at, found = payload.at, list_of(u32)(payload)
        if any(a >= b for a, b in zip(found, found[1:])):
            raise Refused(at, "the list is not strictly ascending")
        if most is not None and len(found) > most:
            raise Refused(at, f"{len(found)} numbers, where at most {most} may be")
        return found

    return take


def saying(of_type):
    """An optional field, which is never there to say 0 or an empty list."""

    def take(payload):
        at, value = payload.at, read(of_type, payload)
        if not value:
            raise Refused(at, "a field is there and says nothing")
        return value

    return take


def digest(payload):
    return payload.take(32).hex()


def set_of_64(payload):
    return i64(payload) % 2**64


def set_of_256(payload):
    at, has_masks = payload.at, boolean(payload)
    masks = [set_of_64(payload) for _ in range(4)] if has_masks else EVERY_NUMBER
    if has_masks and masks == EVERY_NUMBER:
        raise Refused(at, "the full set is written with its masks")
    return masks


EVERY_NUMBER = [2**64 - 1] * 4


def code(of_type, names):
    """An action or a reason: a number in the payload, a name in the JSON."""

    def take(payload):
        at, number = payload.at, of_type(payload)
        if number not in names:
            raise Refused(at, f"no code {number}")
        return names[number]

    return take


def struct(*fields, contradiction=None):
    """The fields in the order of their table; and what says where they contradict each other."""

    def take(payload):
        at = payload.at
        values = {field: read(of_type, payload) for field, of_type in fields}
        if contradiction and contradiction(values):
            raise Refused(at, contradiction(values))
        return values

    take.fields = fields
    return take


def flagged(base, *optional, contradiction=None):
    """The fields of another struct, flags, and the optional fields that those name."""

    def take(payload):
        start, values = payload.at, read(base, payload)
        at, flags = payload.at, u16(payload)
        if flags >> len(optional):
            raise Refused(at, f"the flags {flags}, where there are {len(optional)} fields")
        payload.says_more |= flags > 0
        for bit, (field, of_type) in enumerate(optional):
            if flags >> bit & 1:
                values[field] = read(of_type, payload)
        if contradiction and contradiction(values):
            raise Refused(start, contradiction(values))
        return values

    return take


def more(of_type):
    """A list or a map that no first version has: if it is not empty, it says more than one."""

    def take(payload):
        value = of_type(payload)
        payload.says_more |= len(value) > 0
        return value

    return take


def second(of_type):
    """A record of a second version, which says something that the first does not."""

    def take(payload):
        at, fields = payload.at, read(of_type, payload)
        if not payload.says_more:
            raise Refused(at, "nothing that the first version cannot say")
        return fields

    return take


def enum(name, *variants):
    """The variants in the order of their numbers: each a name, and a struct if it has fields."""

    def take(payload):
        at, number = payload.at, u32(payload)
        if number >= len(variants):
            raise Refused(at, f"{name} has no variant {number}")
        variant, *of_type = variants[number]
        return {variant: read(*of_type, payload)} if of_type else variant

    return take


def contradiction_in_decision(decision):
    """Why no kernel can have made a decision, if so."""
    action, reason = decision["action"], decision["reason"]
    requested, selected = decision["requested_model_id"], decision["selected_model_id"]
    utility, runner_up = decision["expected_utility_microunits"], decision["runner_up_model_id"]
    runner_up_utility = decision["runner_up_utility_microunits"]
    eligible, evaluated = decision["eligible_models"], decision["evaluated_models"]
    action_of_reason = {
        "RequestedModelMaximizesUtility": "ExecuteRequested",
        "AlternativeMaximizesUtility": "Substitute",
    }
    if action != action_of_reason.get(reason, "Reject"):
        return f"the reason {reason} of the action {action}"
    is_as_action_says = {
        "ExecuteRequested": selected == requested,
        "Substitute": selected is not None and selected != requested,
        "Reject": selected is None,
    }
    if not is_as_action_says[action]:
        return f"the selected model {selected} of the action {action}"
    if selected is not None and utility <= 0:
        return "a selected model without a utility above 0"
    if runner_up is None and runner_up_utility != 0:
        return "a utility of no runner-up"
    if runner_up is not None and (runner_up == selected or not 1 <= runner_up_utility <= utility):
        return "a runner-up that is none"
    if (selected is not None) != (eligible >= 1) or (runner_up is not None) != (eligible >= 2):
        return f"{eligible} eligible models"
    if eligible > evaluated:
        return "more eligible models than evaluated ones"
    if action == "Reject" and (decision["estimated_cost_microunits"], utility) != (0, 0):
        return "a reject with an amount"
    return None


def contradiction_in_maximum(values):
    """A maximum cost that is there is above the estimated one."""
    maximum = values.get("maximum_cost_microunits")
    if maximum is not None and maximum <= values["estimated_cost_microunits"]:
        return "a maximum cost that is not above the estimated one"
    if maximum is not None and values.get("action") == "Reject":
        return "a reject with a maximum cost"
    return None


PRICE = "{}_price_microunits_per_million_tokens"
CLASSES_OF_INPUT = ("cache_read", "cache_write", "cache_write_long", "audio_input")
CLASSES_OF_OUTPUT = ("reasoning", "audio_output")
CLASSES = CLASSES_OF_INPUT + CLASSES_OF_OUTPUT


def prices(band):
    """The plain prices of a band, and those of its classes, in the order of the canonical bytes."""
    plain = [band[PRICE.format(side)] for side in ("input", "output")]
    sides = [plain[0]] * len(CLASSES_OF_INPUT) + [plain[1]] * len(CLASSES_OF_OUTPUT)
    return plain, [band.get(PRICE.format(c), side) for c, side in zip(CLASSES, sides)], sides


def contradiction_in_band(band):
    _, own, sides = prices(band)
    for name, price, plain in zip(CLASSES, own, sides):
        if PRICE.format(name) in band and price == plain:
            return f"the price of {name} is there and is the plain one"
    return None


def contradiction_in_model(model):
    before, threshold = model, 0
    for band in model.get("bands", []):
        if band["above_prompt_tokens"] <= threshold:
            return "thresholds that do not ascend"
        (plain, own, _), (plain_before, own_before, _) = prices(band), prices(before)
        if any(a < b for a, b in zip(plain + own, plain_before + own_before)):
            return "a price that falls from band to band"
        before, threshold = band, band["above_prompt_tokens"]
    if len(model.get("bands", [])) > 3:
        return "more than four bands"
    fees = [f"search_fee_microunits_per_{of}" in model for of in ("search", "request")]
    if all(fees):
        return "two search fees"
    return contradiction_in_band(model)


# The records.

TABLES = {
    "Record": enum(
        "Record",
        ("SnapshotInstalled", "SnapshotInstalledV1"),
        ("BudgetChanged", "BudgetChangedV1"),
        ("Decided", "DecidedV1"),
        ("Settled", "SettledV1"),
        ("Abandoned", "AbandonedV1"),
        ("FellBack", "FellBackV1"),
        ("Checkpoint", "CheckpointV1"),
        ("SnapshotInstalled", second("SnapshotInstalledV2")),
        ("Decided", second("DecidedV2")),
        ("FellBack", second("FellBackV2")),
        ("Checkpoint", second("CheckpointV2")),
        ("BudgetChanged", second("BudgetChangedV2")),
    ),
    "SnapshotInstalledV1": struct(
        ("time_unix_ms", u64),
        ("snapshot", "SnapshotV1"),
    ),
    "SnapshotV1": struct(
        ("digest", digest),
        ("policy", "PolicyV1"),
        ("models", list_of("ModelV1", ascending_by="model_id")),
        ("names", "NamesV1"),
    ),
    "PolicyV1": struct(
        ("policy_epoch", u64),
        ("catalog_epoch", u64),
        ("hard_risk_limit_bps", u16),
        ("minimum_confidence_bps", u16),
        ("risk_penalty_multiplier_bps", u16),
        ("latency_penalty_microunits_per_ms", u64),
    ),
    "ModelV1": struct(
        ("model_id", u32),
        ("provider_id", u8),
        ("quality_bps", u16),
        ("risk_ceiling_bps", u16),
        ("enabled", boolean),
        ("p95_latency_ms", u32),
        ("capabilities", set_of_64),
        ("regions", set_of_64),
        ("input_price_microunits_per_million_tokens", u64),
        ("output_price_microunits_per_million_tokens", u64),
        ("fixed_price_microunits", u64),
    ),
    "NamesV1": struct(
        ("models", map_of(u32, text)),
        ("providers", map_of(u8, text)),
        ("capabilities", map_of(u8, text, up_to=63)),
        ("regions", map_of(u8, text, up_to=63)),
    ),
    "SnapshotInstalledV2": struct(
        ("time_unix_ms", u64),
        ("snapshot", "SnapshotV2"),
    ),
    "SnapshotV2": struct(
        ("digest", digest),
        ("policy", "PolicyV1"),
        ("models", list_of("ModelV2", ascending_by="model_id")),
        ("groups", more(list_of("GroupV1", ascending_by="group_id"))),
        ("names", "NamesV2"),
    ),
    "ModelV2": flagged(
        "ModelV1",
        ("max_prompt_tokens", u32),
        ("max_completion_tokens", u32),
        (PRICE.format("cache_read"), u64),
        (PRICE.format("cache_write"), u64),
        ("bands", saying(list_of("BandV1"))),
        ("search_fee_microunits_per_search", saying(u64)),
        (PRICE.format("reasoning"), u64),
        ("max_total_tokens", u32),
        (PRICE.format("cache_write_long"), u64),
        (PRICE.format("audio_input"), u64),
        (PRICE.format("audio_output"), u64),
        ("search_fee_microunits_per_request", saying(u64)),
        contradiction=contradiction_in_model,
    ),
    "BandV1": flagged(
        struct(
            ("above_prompt_tokens", u32),
            (PRICE.format("input"), u64),
            (PRICE.format("output"), u64),
        ),
        (PRICE.format("cache_read"), u64),
        (PRICE.format("cache_write"), u64),
        (PRICE.format("cache_write_long"), u64),
        (PRICE.format("audio_input"), u64),
        (PRICE.format("reasoning"), u64),
        (PRICE.format("audio_output"), u64),
        contradiction=contradiction_in_band,
    ),
    "GroupV1": struct(
        ("group_id", u8),
        ("model_ids", numbers()),
    ),
    "NamesV2": struct(
        ("models", map_of(u32, text)),
        ("providers", map_of(u8, text)),
        ("capabilities", map_of(u8, text, up_to=63)),
        ("regions", map_of(u8, text, up_to=63)),
        ("groups", more(map_of(u8, text))),
    ),
    "BudgetChangedV1": struct(
        ("time_unix_ms", u64),
        ("event", "EventV1"),
    ),
    "BudgetChangedV2": struct(
        ("time_unix_ms", u64),
        ("event", "EventV1"),
        ("reason", reason),
    ),
    "EventV1": enum(
        "EventV1",
        ("TenantOpened", struct(("tenant", text), ("granted_microunits", u64))),
        ("ChildOpened", struct(("tenant", text), ("parent", text), ("granted_microunits", u64))),
        ("ToppedUp", struct(("tenant", text), ("amount_microunits", u64))),
        ("Reduced", struct(("tenant", text), ("amount_microunits", u64))),
        ("Refunded", struct(("tenant", text), ("amount_microunits", u64))),
        ("Repaid", struct(("tenant", text), ("amount_microunits", u64))),
        ("CarriedOver", struct(("from", text), ("to", text), ("amount_microunits", u64))),
        ("Frozen", struct(("tenant", text))),
        ("Unfrozen", struct(("tenant", text))),
        ("RulesSet", struct(("tenant", text), ("rules", "RulesV1"))),
        ("SoftLimitReached", struct(("tenant", text))),
        ("Extended", struct(("reservation", u64), ("amount_microunits", u64))),
        (
            "Overdrawn",
            struct(
                ("reservation", u64),
                ("extra_microunits", u64),
                ("drawn_microunits", list_of(u64)),
            ),
        ),
    ),
    "RulesV1": struct(
        ("exposure_cap_microunits", optional(u64)),
        ("soft_limit_microunits", optional(u64)),
        ("overrun", "Overrun"),
    ),
    "Overrun": enum("Overrun", ("Reject",), ("DrawThenDebt",), ("CapAtReserved",)),
    "DecidedV1": struct(
        ("time_unix_ms", u64),
        ("tenant", text),
        ("correlation_id", text_up_to(64)),
        ("request_key", text_up_to(64)),
        ("snapshot_sequence", u64),
        ("request", "RequestV1"),
        ("decision", "DecisionV1"),
        ("admission", "AdmissionV1"),
    ),
    "RequestV1": struct(
        ("sequence", u64),
        ("requested_model_id", u32),
        ("input_tokens", u32),
        ("output_tokens", u32),
        ("business_value_microunits", i64),
        ("budget_limit_microunits", u64),
        ("risk_bps", u16),
        ("confidence_bps", u16),
        ("minimum_quality_bps", u16),
        ("max_p95_latency_ms", u32),
        ("required_capabilities", set_of_64),
        ("allowed_providers", set_of_256),
        ("required_regions", set_of_64),
    ),
    "DecisionV1": struct(
        ("sequence", u64),
        ("policy_epoch", u64),
        ("catalog_epoch", u64),
        ("action", "Action"),
        ("reason", "Reason"),
        ("requested_model_id", u32),
        ("selected_model_id", optional(u32)),
        ("estimated_cost_microunits", u64),
        ("expected_utility_microunits", i64),
        ("runner_up_model_id", optional(u32)),
        ("runner_up_utility_microunits", i64),
        ("evaluated_models", u32),
        ("eligible_models", u32),
        contradiction=contradiction_in_decision,
    ),
    "Action": code(
        u8,
        {
            1: "ExecuteRequested",
            2: "Substitute",
            3: "Reject",
        },
    ),
    "Reason": code(
        u16,
        {
            1: "RequestedModelMaximizesUtility",
            2: "AlternativeMaximizesUtility",
            100: "RiskHardLimit",
            101: "ConfidenceHardLimit",
            102: "NoEnabledModel",
            103: "QualityConstraint",
            104: "LatencyConstraint",
            105: "CapabilityConstraint",
            106: "ProviderConstraint",
            107: "RegionConstraint",
            108: "BudgetConstraint",
            109: "NonPositiveUtility",
            110: "RiskCeilingConstraint",
            111: "InvalidRequest",
            112: "WindowConstraint",
        },
    ),
    "AdmissionV1": enum(
        "AdmissionV1",
        ("NotAsked",),
        ("Reserved",),
        ("Insufficient", struct(("available_microunits", u64))),
        ("Frozen",),
        ("InDebt", struct(("debt_microunits", u64))),
        ("Exposed", struct(("reserved_microunits", u64), ("cap_microunits", u64))),
    ),
    "DecidedV2": struct(
        ("time_unix_ms", u64),
        ("tenant", text),
        ("correlation_id", text_up_to(64)),
        ("request_key", text_up_to(64)),
        ("snapshot_sequence", u64),
        ("request", "RequestV2"),
        ("decision", "DecisionV2"),
        ("admission", "AdmissionV1"),
    ),
    "RequestV2": flagged(
        "RequestV1",
        ("ceiling", "CeilingV1"),
        ("cache_read_tokens", saying(u32)),
        ("cache_write_tokens", saying(u32)),
        ("group_id", u8),
        ("excluded_model_ids", saying(numbers(most=16))),
        ("reasoning_tokens", saying(u32)),
        ("searches", saying(u32)),
        ("cache_write_long_tokens", saying(u32)),
        ("audio_input_tokens", saying(u32)),
        ("audio_output_tokens", saying(u32)),
    ),
    "CeilingV1": struct(
        ("prompt_tokens", u32),
        ("completion_tokens", u32),
        ("searches", u32),
        ("classes", u8),
    ),
    "DecisionV2": flagged(
        "DecisionV1",
        ("maximum_cost_microunits", u64),
        contradiction=contradiction_in_maximum,
    ),
    "SettledV1": struct(
        ("time_unix_ms", u64),
        ("decision_sequence", u64),
        ("actual_cost_microunits", u64),
    ),
    "AbandonedV1": struct(
        ("time_unix_ms", u64),
        ("decision_sequence", u64),
    ),
    "FellBackV1": struct(
        ("time_unix_ms", u64),
        ("decision_sequence", u64),
        ("snapshot_sequence", u64),
        ("failed_model_id", u32),
        ("fallback", optional("FallbackV1")),
    ),
    "FallbackV1": struct(
        ("model_id", u32),
        ("estimated_cost_microunits", u64),
        ("expected_utility_microunits", i64),
    ),
    "FellBackV2": struct(
        ("time_unix_ms", u64),
        ("decision_sequence", u64),
        ("snapshot_sequence", u64),
        ("failed_model_id", u32),
        ("fallback", optional("FallbackV2")),
    ),
    "FallbackV2": flagged(
        "FallbackV1",
        ("maximum_cost_microunits", u64),
        contradiction=contradiction_in_maximum,
    ),
    "CheckpointV1": struct(
        ("time_unix_ms", u64),
        ("snapshot", optional("SnapshotV1")),
        ("budget", "BudgetStateV1"),
        ("tickets", list_of("TicketV1", ascending_by="decision_sequence")),
        ("keyed_decisions", list_of("KeyedDecisionV1", ascending_by="decision_sequence")),
        ("decisions", u64),
    ),
    "BudgetStateV1": struct(
        ("tenants", list_of("TenantV1")),
        ("reservations", list_of("ReservationV1", ascending_by="reservation")),
        ("keys", list_of("KeyV1")),
        ("last_reservation", u64),
    ),
    "TenantV1": struct(
        ("tenant", text),
        ("parent", optional(text)),
        ("opened_with_microunits", u64),
        ("account", "AccountV1"),
        ("rules", "RulesV1"),
        ("frozen", boolean),
        ("warned", boolean),
    ),
    "AccountV1": struct(
        ("granted_microunits", u64),
        ("available_microunits", u64),
        ("reserved_microunits", u64),
        ("committed_microunits", u64),
        ("debt_microunits", u64),
    ),
    "ReservationV1": struct(
        ("reservation", u64),
        ("tenant", text),
        ("amount_microunits", u64),
        ("dispatched", boolean),
    ),
    "KeyV1": struct(
        ("key", text),
        ("tenant", text),
        ("amount_microunits", u64),
        ("reservation", u64),
    ),
    "TicketV1": struct(
        ("decision_sequence", u64),
        ("model_id", u32),
        ("failed_model_ids", list_of(u32)),
        ("request", "RequestV1"),
    ),
    "KeyedDecisionV1": struct(
        ("decision_sequence", u64),
        ("request_key", text_up_to(64)),
        ("tenant", text),
        ("request", "RequestV1"),
        ("decision", "DecisionV1"),
        ("admission", "AdmissionV1"),
    ),
    "CheckpointV2": struct(
        ("time_unix_ms", u64),
        ("snapshot", optional("SnapshotV2")),
        ("budget", "BudgetStateV1"),
        ("tickets", list_of("TicketV2", ascending_by="decision_sequence")),
        ("keyed_decisions", list_of("KeyedDecisionV2", ascending_by="decision_sequence")),
        ("decisions", u64),
    ),
    "TicketV2": struct(
        ("decision_sequence", u64),
        ("model_id", u32),
        ("failed_model_ids", list_of(u32)),
        ("request", "RequestV2"),
    ),
    "KeyedDecisionV2": struct(
        ("decision_sequence", u64),
        ("request_key", text_up_to(64)),
        ("tenant", text),
        ("request", "RequestV2"),
        ("decision", "DecisionV2"),
        ("admission", "AdmissionV1"),
    ),
}


def decode(data):
    """The record in a payload: an object with one key, its variant."""
    payload = Payload(data)
    record = read("Record", payload)
    if payload.at < len(data):
        raise Refused(payload.at, "bytes are left behind the last field")
    return record


# A snapshot in a log.

WIDTHS = {u8: 1, boolean: 1, u16: 2, u32: 4, u64: 8, set_of_64: 8}
SHARES_OF_POLICY = ("hard_risk_limit_bps", "minimum_confidence_bps")
SHARES_OF_MODEL = ("quality_bps", "risk_ceiling_bps")


def canonical(name, values):
    fields = TABLES[name].fields
    return b"".join(values[field].to_bytes(WIDTHS[type_], "little") for field, type_ in fields)


def little(number, width):
    return number.to_bytes(width, "little")


def canonical_model(model):
    """A model in the second version of the canonical bytes."""
    first_eight = TABLES["ModelV1"].fields[:8]
    whole = b"".join(little(model[field], WIDTHS[type_]) for field, type_ in first_eight)
    maxima = [model.get(f"max_{of}_tokens") for of in ("prompt", "completion", "total")]
    of_search, of_request = (
        model.get(f"search_fee_microunits_per_{of}", 0) for of in ("search", "request")
    )
    bands = model.get("bands", [])
    bits = [maximum is not None for maximum in maxima] + [of_search + of_request > 0, of_request > 0]
    whole += little(sum(bit << n for n, bit in enumerate(bits)) | len(bands) << 5, 1)
    whole += little(model["fixed_price_microunits"], 8)
    if of_search + of_request > 0:
        whole += little(of_search + of_request, 8)
    whole += b"".join(little(maximum, 4) for maximum in maxima if maximum is not None)
    for band in [model] + bands:
        plain, own, sides = prices(band)
        if band is not model:
            whole += little(band["above_prompt_tokens"], 4)
        differs = [price != side for price, side in zip(own, sides)]
        whole += little(sum(bit << n for n, bit in enumerate(differs)), 1)
        whole += b"".join(little(price, 8) for price in plain)
        whole += b"".join(little(price, 8) for price, bit in zip(own, differs) if bit)
    return whole


def canonical_group(group):
    numbers_ = b"".join(little(number, 4) for number in group["model_ids"])
    return little(group["group_id"], 1) + little(len(group["model_ids"]), 4) + numbers_


def canonical_snapshot(snapshot):
    models, groups = snapshot["models"], snapshot.get("groups", [])
    is_first = not groups and all(len(model) == len(TABLES["ModelV1"].fields) for model in models)
    whole = b"calybris-kernel snapshot v1\n" if is_first else b"calybris-kernel snapshot v2\n"
    whole += canonical("PolicyV1", snapshot["policy"]) + little(len(models), 4)
    if is_first:
        return whole + b"".join(canonical("ModelV1", model) for model in models)
    whole += little(len(groups), 2)
    return whole + b"".join(map(canonical_model, models)) + b"".join(map(canonical_group, groups))


def check_snapshot(snapshot):
    """Refuses a snapshot with a share above the whole, with a group of unknown models, or with another
    digest than its own."""
    policy, models = snapshot["policy"], snapshot["models"]
    shares = [policy[field] for field in SHARES_OF_POLICY]
    shares += [model[field] for model in models for field in SHARES_OF_MODEL]
    if max(shares) > 10_000:
        raise Refused(0, "its snapshot has a share above 10,000")
    known = {model["model_id"] for model in models}
    if any(not known.issuperset(group["model_ids"]) for group in snapshot.get("groups", [])):
        raise Refused(0, "its snapshot has a group of a model that it does not have")
    if hashlib.sha256(canonical_snapshot(snapshot)).hexdigest() != snapshot["digest"]:
        raise Refused(0, "its snapshot has another digest")


# The JSON.

KINDS = {
    "SnapshotInstalled": "snapshot",
    "BudgetChanged": "budget",
    "Decided": "decision",
    "Settled": "settled",
    "Abandoned": "abandoned",
    "FellBack": "fellback",
    "Checkpoint": "checkpoint",
}


NAMED_BITS = {"required_capabilities": "capabilities", "required_regions": "regions"}


def time(unix_ms):
    try:
        when = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=unix_ms)
    except OverflowError:
        return str(unix_ms)
    return when.isoformat(timespec="milliseconds") + "Z"


class Names:
    """The names of one snapshot, or of none."""

    def __init__(self, names=None):
        self.names = names or {"models": {}, "providers": {}, "capabilities": {}, "regions": {}}

    def model(self, number):
        if number is None:
            return None
        nameless = "(not in the catalog)" if number >= 2**31 else f"model {number}"
        return self.names["models"].get(str(number), nameless)

    def providers(self, masks):
        if masks == EVERY_NUMBER:
            return "all"
        numbers = [n for n in range(256) if masks[n // 64] >> n % 64 & 1]
        return [self.names["providers"].get(str(n), f"provider {n}") for n in numbers]

    def group(self, number):
        return self.names.get("groups", {}).get(str(number), f"group {number}")

    def bits(self, of, mask):
        return [self.names[of].get(str(n), f"bit {n}") for n in range(64) if mask >> n & 1]


class Lines:
    """The lines of a log, one record after the other."""

    def __init__(self):
        self.names_at = {}

    def line(self, sequence, record_hash, record):
        [(variant, fields)] = record.items()
        if fields.get("snapshot"):
            self.names_at[sequence] = Names(fields["snapshot"]["names"])
        names = self.names_at.get(fields.get("snapshot_sequence"), Names())
        line = {
            **fields,
            "sequence": sequence,
            "hash": record_hash.hex(),
            "kind": KINDS[variant],
            "time": time(fields["time_unix_ms"]),
        }
        if variant == "Decided":
            decision, request = fields["decision"], fields["request"]
            line["requested_model"] = names.model(decision["requested_model_id"])
            line["selected_model"] = names.model(decision["selected_model_id"])
            line["runner_up_model"] = names.model(decision["runner_up_model_id"])
            if "group_id" in request:
                line["group"] = names.group(request["group_id"])
            if request.get("excluded_model_ids"):
                excluded = request["excluded_model_ids"]
                line["excluded_models"] = [names.model(number) for number in excluded]
            line["request"] = {
                **request,
                "allowed_providers": names.providers(request["allowed_providers"]),
                **{field: names.bits(of, request[field]) for field, of in NAMED_BITS.items()},
            }
        if variant == "FellBack" and fields["fallback"]:
            line["fallback_model"] = names.model(fields["fallback"]["model_id"])
        return as_json(line)


def as_json(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def export(directory, keys):
    records = []

    def visit(schema_id, is_first_of_segment, sequence, payload, record_hash):
        if schema_id != SCHEMA_ID:
            raise verify_log.Unchecked("no log of an engine")
        records.append((is_first_of_segment, sequence, payload, record_hash))

    try:
        verify_log.verify(directory, keys, visit)
    finally:
        # What stands before damage is read all the same.
        lines = Lines()
        for _, sequence, payload, record_hash in records[first_to_read(records) :]:
            print(lines.line(sequence, record_hash, decode_in_log(sequence, payload)))


def first_to_read(records):
    """Where a log begins whose first records were dropped, or were to be."""
    if records and records[0][1] != 1:
        for place, (is_first_of_segment, sequence, payload, _) in enumerate(records):
            if is_first_of_segment and "Checkpoint" in decode_in_log(sequence, payload):
                return place
    return 0


def decode_in_log(sequence, payload):
    """The record with that sequence. If it has a snapshot, that is checked, too."""
    try:
        record = decode(payload)
        [fields] = record.values()
        if fields.get("snapshot"):
            check_snapshot(fields["snapshot"])
        return record
    except Refused as refused:
        refused.sequence = sequence
        raise


def answer_payloads():
    for line in sys.stdin:
        try:
            print(as_json(decode(bytes.fromhex(line))))
        except Refused as refused:
            print("refused:", refused)


def main(arguments):
    # Records are UTF-8 whatever the locale says, and a line ends with one byte on every system.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if arguments == ["--payloads"]:
        answer_payloads()
        return 0
    keys, arguments = verify_log.read_keys(arguments)
    if len(arguments) != 1:
        sys.exit(__doc__)
    try:
        export(arguments[0], keys)
    except Refused as refused:
        print("refused:", refused, file=sys.stderr)
        return 1
    except verify_log.Corrupt as error:
        print("corrupt", *error.args, file=sys.stderr)
        return 1
    except verify_log.Unchecked as error:
        print("unchecked", error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
