//! The kernel in a static library without the standard library: it links, or `cargo xtask no-std` fails.
//!
//! It links the module of the kernel's example `no_std`, so this proves what the example claims.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[path = "../../../crates/calybris-kernel/examples/no_std/admission.rs"]
mod admission;

/// A snapshot allocates; the memory comes from here.
#[global_allocator]
static ALLOCATOR: emballoc::Allocator<65_536> = emballoc::Allocator::new();

/// A second handler beside that of the standard library would be a compile error: that is the proof.
#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// The id of the model that answers, or 0. It has the calling convention of C and is part of the library, and with it
/// everything that it calls.
pub extern "C" fn admit(sequence: u64, tokens: u32, risk_bps: u16) -> u32 {
    match admission::shipped_rules() {
        Ok(rules) => {
            let decision = admission::admit(&rules, sequence, tokens, risk_bps);
            decision.selected_model_id.unwrap_or(0)
        }
        Err(_) => 0,
    }
}
