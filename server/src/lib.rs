//! Listener, routes, configuration and the composition root.
