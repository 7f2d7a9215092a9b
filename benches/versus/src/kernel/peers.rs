//! The published kernels, fed with our models and requests.

use calybris_kernel::{Model, Price};

/// The two plain rates of short prompts, and nothing else.
pub fn flat_price(model: &Model) -> Price {
    let rates = model.price.band(0).rates;
    Price::per_million_tokens(rates.input, rates.output)
}

/// One module per published version: their types have the same names and fields.
macro_rules! peer {
    ($module:ident, $crate_name:ident, $constructor:ident) => {
        pub mod $module {
            use crate::kernel::peers::flat_price;
            use crate::kernel::workload::Workload;
            use calybris_kernel::{Decision, Model, Reason, Request};
            use $crate_name::kernel::{KernelInput, KernelModel, PolicySnapshot};

            pub struct Peer {
                pub snapshot: PolicySnapshot,
            }

            impl Peer {
                pub fn new(workload: &Workload) -> Self {
                    let policy = &workload.policy;
                    let snapshot = PolicySnapshot::$constructor(
                        policy.policy_epoch,
                        policy.catalog_epoch,
                        policy.hard_risk_limit.get(),
                        policy.minimum_confidence.get(),
                        policy.risk_penalty_multiplier.get(),
                        policy.latency_penalty_per_ms.get(),
                        workload.models.iter().map(model).collect(),
                    );
                    Self { snapshot }
                }

                pub fn inputs(&self, requests: &[Request]) -> Vec<KernelInput> {
                    requests.iter().map(input).collect()
                }
            }

            fn model(model: &Model) -> KernelModel {
                assert_eq!(model.price, flat_price(model), "the peer has two prices");
                assert!(model.provider_id < 64, "the peer has 64 providers");
                KernelModel {
                    model_id: model.model_id,
                    provider_id: model.provider_id.into(),
                    quality_bps: model.quality.get(),
                    risk_ceiling_bps: model.risk_ceiling.get(),
                    enabled: model.enabled.into(),
                    p95_latency_ms: model.p95_latency_ms,
                    capabilities: model.capabilities.bits(),
                    region_mask: model.regions.bits(),
                    input_cost_microunits_per_million_tokens: model.price.band(0).rates.input.get(),
                    output_cost_microunits_per_million_tokens: model
                        .price
                        .band(0)
                        .rates
                        .output
                        .get(),
                }
            }

            fn input(request: &Request) -> KernelInput {
                KernelInput {
                    request_sequence: request.sequence,
                    requested_model_id: request.requested_model_id,
                    input_tokens: request.usage.input_tokens,
                    output_tokens: request.usage.output_tokens,
                    business_value_microunits: request.business_value_microunits,
                    budget_limit_microunits: request.budget_limit.get(),
                    risk_bps: request.risk.get(),
                    confidence_bps: request.confidence.get(),
                    minimum_quality_bps: request.minimum_quality.get(),
                    max_p95_latency_ms: request.max_p95_latency_ms,
                    required_capabilities: request.required_capabilities.bits(),
                    allowed_provider_mask: request.allowed_providers.words()[0],
                    required_region_mask: request.required_regions.bits(),
                }
            }

            /// Panics unless the peer decides as we do.
            pub fn assert_agrees(
                ours: &Decision,
                peer: &Peer,
                workload: &Workload,
                request: &Request,
            ) {
                let theirs = peer.snapshot.prescribe(input(request));
                assert_eq!(ours.action.code(), theirs.action as u8, "{ours:?} {theirs:?}");
                assert_eq!(ours.selected_model_id.unwrap_or(0), theirs.selected_model_id);
                assert_eq!(ours.estimated_cost.get(), theirs.estimated_cost_microunits);
                assert_eq!(ours.expected_utility_microunits, theirs.expected_utility_microunits);
                assert_eq!(ours.runner_up_model_id.unwrap_or(0), theirs.counterfactual_model_id);
                assert_eq!(
                    ours.runner_up_utility_microunits,
                    theirs.counterfactual_utility_microunits
                );
                assert_eq!(ours.evaluated_models, u32::from(theirs.evaluated_models));
                assert_eq!(ours.eligible_models, u32::from(theirs.eligible_models));
                assert_eq!(ours.sequence, theirs.request_sequence);
                assert_eq!(ours.policy_epoch, theirs.policy_epoch);
                assert_eq!(ours.catalog_epoch, theirs.catalog_epoch);
                // The peer counts disabled models among the rejections, so its reason is the
                // law's only where no model is disabled.
                let none_disabled = workload.models.iter().all(|model| model.enabled);
                if none_disabled || ours.reason.code() < Reason::NoEnabledModel.code() {
                    assert_eq!(ours.reason.code(), theirs.reason as u16, "{ours:?} {theirs:?}");
                }
            }
        }
    };
}

peer!(v0_2, peer_0_2, new);
peer!(v1_3, peer_1_3, new_unchecked);
