//! Remote backends, one module a vendor.
