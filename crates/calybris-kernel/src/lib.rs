//! The decision kernel.
#![no_std]
