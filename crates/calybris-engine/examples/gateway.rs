//! A gateway with many async tasks and one engine: fall back when a model fails, extend while a stream goes on, decide
//! once however often a client asks. The models are made up and there is no network.
//!
//! ```text
//! cargo run --release -p calybris-engine --example gateway           # records survive the end of the process
//! cargo run --release -p calybris-engine --example gateway synced    # and a power cut
//! ```
#![allow(clippy::unwrap_used, reason = "an example that ends at the first error")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use calybris_engine::{
    Admission, Call, Engine, EngineError, EngineOptions, Ledger, Names, Outcome, Snapshot, Ticket,
    UnixMillis,
};
use calybris_kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet, Request,
};
use calybris_wal::Durability;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

const CLIENTS: u64 = 200;
const TENANTS: [&str; 3] = ["acme/web", "acme/jobs", "globex"];

/// The engine as the async tasks share it.
#[derive(Clone)]
struct Gateway {
    engine: Arc<Engine>,
    durability: Durability,
    clock: Arc<AtomicU64>,
    served: Arc<AtomicU64>,
}

impl Gateway {
    /// Runs a step of the engine from an async task.
    ///
    /// With [`Durability::Os`] a step is a copy to the operating system, a few microseconds: shorter than handing it to
    /// another thread, so it runs where it is. With [`Durability::Synced`] it waits for the disk, milliseconds in which a
    /// worker of the runtime would serve nobody else; and the more steps wait at once, the more of them one sync makes
    /// durable. So it goes to the threads that are there for waiting.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Engine, u64) -> T + Send + 'static,
    ) -> T {
        let now_unix_ms = self.clock.fetch_add(1, Ordering::Relaxed);
        if self.durability == Durability::Synced {
            let engine = Arc::clone(&self.engine);
            spawn_blocking(move || step(&engine, now_unix_ms)).await.unwrap()
        } else {
            step(&self.engine, now_unix_ms)
        }
    }

    /// Serves one request from decision to settlement.
    async fn serve(self, client: u64) -> Result<(), EngineError> {
        let tenant = TENANTS.into_iter().cycle().nth(usize::try_from(client).unwrap()).unwrap();
        // A client that hears nothing asks again. Under one key that is one call: one decision, one reservation.
        let asks = |gateway: Gateway| async move {
            let key = format!("client-{client}");
            gateway.step(move |engine, now| engine.decide(&call(tenant, &key, client, now))).await
        };
        let first = tokio::spawn(asks(self.clone()));
        let again: Outcome = tokio::spawn(asks(self.clone())).await.unwrap()?;
        let outcome: Outcome = first.await.unwrap()?;
        assert_eq!(again.decision_sequence, outcome.decision_sequence);

        let Some(mut ticket) = outcome.ticket else { return Ok(()) };
        let stream = loop {
            match open_stream(client, ticket.model_id()) {
                Some(stream) => break stream,
                None => {
                    let fell_back = self
                        .step(|engine, now| engine.fall_back(ticket, UnixMillis::new(now)))
                        .await
                        .map_err(|r| r.error)?;
                    ticket = fell_back.ticket;
                    if fell_back.fallback.is_none() {
                        self.step(|engine, now| engine.abandon(ticket, UnixMillis::new(now)))
                            .await
                            .map_err(|r| r.error)?;
                        return Ok(());
                    }
                }
            }
        };
        let (ticket, cost_microunits) = self.read_stream(ticket, stream).await?;
        self.step(move |engine, now| {
            engine.settle(ticket, Microunits::new(cost_microunits), UnixMillis::new(now))
        })
        .await
        .map_err(|refused| refused.error)?;
        self.served.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Reads a stream to its end, or for as long as the budget pays for it. Answers what it cost.
    async fn read_stream(
        &self,
        mut ticket: Ticket,
        mut stream: mpsc::Receiver<u64>,
    ) -> Result<(Ticket, u64), EngineError> {
        let mut cost_microunits = 0;
        while let Some(chunk_microunits) = stream.recv().await {
            let missing =
                (cost_microunits + chunk_microunits).saturating_sub(ticket.reserved().get());
            if missing > 0 {
                // A little more than is missing, so that not every chunk is a record.
                let (back, admission) = self
                    .step(move |engine, now| {
                        let admission = engine.extend(
                            &mut ticket,
                            Microunits::new(missing + 500),
                            UnixMillis::new(now),
                        );
                        (ticket, admission)
                    })
                    .await;
                ticket = back;
                if admission? != Admission::Reserved {
                    break;
                }
            }
            cost_microunits += chunk_microunits;
        }
        Ok((ticket, cost_microunits))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let durability = match std::env::args().nth(1).as_deref() {
        Some("synced") => Durability::Synced,
        _ => Durability::Os,
    };
    let dir = tempfile::tempdir()?;
    let engine = Arc::new(open(dir.path(), durability)?);
    let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    let gateway = Gateway {
        engine: Arc::clone(&engine),
        durability,
        clock: Arc::new(AtomicU64::new(1_700_000_000_000)),
        served: Arc::default(),
    };
    let served = Arc::clone(&gateway.served);
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(gateway.clone().serve(client));
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap()?;
        }
        Ok::<_, EngineError>(())
    })?;

    println!("{CLIENTS} clients asked twice, {} were served", served.load(Ordering::Relaxed));
    for warning in engine.take_warnings() {
        println!("{} has used {} microunits", warning.tenant, warning.soft_limit.get());
    }
    let ledger = Ledger::read(dir.path(), None)?;
    assert_eq!(ledger.decisions, CLIENTS);
    assert!(ledger.open_tickets.is_empty());
    for account in &ledger.accounts {
        let (indent, balance) = ("  ".repeat(account.depth), account.balance);
        println!(
            "{indent}{}: {} of {} microunits spent",
            account.tenant,
            balance.committed.get(),
            balance.granted.get()
        );
    }
    println!("the books add up: {:?}", ledger.conservation?);
    Ok(())
}

fn open(dir: &Path, durability: Durability) -> Result<Engine, Box<dyn Error>> {
    let engine = Engine::open(dir.join("."), &EngineOptions::default().durability(durability))?;
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50))
        .with_risk_penalty_multiplier(BasisPoints::percent(25))
        .with_latency_penalty_per_ms(Microunits::new(1));
    let models = [(1, 9_000, 4_000), (2, 8_000, 1_500), (3, 7_000, 300)].map(
        |(model_id, quality_bps, fixed_price_microunits)| {
            Model::new(model_id, 0, BasisPoints::new(quality_bps))
                .with_risk_ceiling(BasisPoints::percent(90))
                .with_p95_latency_ms(400)
                .with_regions(RegionSet::EMPTY)
                .with_price(Price::FREE.with_fixed_price(Microunits::new(fixed_price_microunits)))
        },
    );
    engine.install(
        Snapshot::new(PolicySnapshot::new(policy, models)?, Names::default()),
        UnixMillis::new(1),
    )?;
    engine.ensure_tenant("acme", Microunits::new(200_000), UnixMillis::new(1))?;
    engine.ensure_child("acme/web", "acme", Microunits::new(150_000), UnixMillis::new(1))?;
    engine.ensure_child("acme/jobs", "acme", Microunits::new(150_000), UnixMillis::new(1))?;
    engine.ensure_tenant("globex", Microunits::new(60_000), UnixMillis::new(1))?;
    let warn_early =
        calybris_budget::TenantRules::default().with_soft_limit(Microunits::new(50_000));
    engine.set_rules("globex", warn_early, UnixMillis::new(1))?;
    Ok(engine)
}

fn call<'a>(tenant: &'a str, request_key: &'a str, client: u64, time_unix_ms: u64) -> Call<'a> {
    let request = Request::new(client, 1, 100, 100)
        .with_business_value_microunits(20_000)
        .with_budget_limit(Microunits::new(10_000))
        .with_risk(BasisPoints::percent(5))
        .with_confidence(BasisPoints::percent(90))
        .with_minimum_quality(BasisPoints::percent(60));
    Call::new(tenant, UnixMillis::new(time_unix_ms), request).with_request_key(request_key)
}

/// Calls a model. Every third call of each fails; the others send chunks that cost more than was estimated.
fn open_stream(client: u64, model_id: u32) -> Option<mpsc::Receiver<u64>> {
    if (client + u64::from(model_id)).is_multiple_of(3) {
        return None;
    }
    let (chunks, stream) = mpsc::channel(4);
    tokio::spawn(async move {
        for chunk in 0..5 {
            let cost_microunits = 100 + client + chunk;
            if chunks.send(cost_microunits).await.is_err() {
                break;
            }
        }
    });
    Some(stream)
}
