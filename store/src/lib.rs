//! Durable adapters for the ports.
