//! An agent that streams: a budget within a budget, a reservation that grows, parts that are paid as they come.
//!
//! The organisation's budget stands above the agent's, and both are asked for every amount. The agent reserves for a
//! first stretch, pays each chunk as it arrives, and asks for more when the stretch is used up. When the budget says no
//! the agent stops with everything accounted for.
//!
//! Run it with `cargo run -p calybris-core --example agent_budget`.

use calybris_core::budget::{BudgetEngine, BudgetError, Microunits, TenantRules};

const STRETCH_MICROUNITS: u64 = 4_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let budgets = BudgetEngine::new();
    let organisation = budgets.ensure_tenant("acme", Microunits::new(1_000_000))?;
    let agent =
        budgets.ensure_child("acme/research-agent", Microunits::new(20_000), &organisation)?;
    agent.set_rules(TenantRules::default().with_soft_limit(Microunits::new(15_000)))?;

    let mut reservation = agent.try_reserve(Microunits::new(STRETCH_MICROUNITS))?;
    // What each chunk of the stream cost, in microunits.
    for (chunks, cost_microunits) in (0..40).map(|chunk| (chunk, 600 + 37 * (chunk % 7))) {
        if reservation.amount().get() < cost_microunits {
            match reservation.extend(Microunits::new(STRETCH_MICROUNITS)) {
                Ok(()) => println!("after {chunks} chunks: {STRETCH_MICROUNITS} more reserved"),
                Err(BudgetError::Insufficient { tenant, available, .. }) => {
                    println!(
                        "after {chunks} chunks: {tenant} has {available} left, so the agent stops"
                    );
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        reservation.commit_part(Microunits::new(cost_microunits))?;
    }
    reservation.release(); // what is left of the last stretch goes back

    for warning in budgets.take_warnings() {
        println!("soft limit: {warning:?}");
    }
    let (own, above) = (agent.snapshot(), organisation.snapshot());
    println!("agent:        {own:?}");
    println!("organisation: {above:?}");
    assert_eq!(own.committed.get(), above.committed.get());
    assert_eq!((own.reserved.get(), above.reserved.get()), (0, 0));
    assert_eq!(own.granted.get(), own.available.get() + own.committed.get());
    Ok(())
}
