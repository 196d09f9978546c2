//! Where a call runs: candidates in order, each with its reason, and the rejected ones with theirs.

use std::fmt;
use std::sync::Arc;

use canon::{Backend, Call, Fault, Kind};

use crate::admission::{Failed, Intent};
use crate::catalog::{Deployment, Entry, Target};
use crate::needs;

/// An admitted call and where it may run, best first.
pub struct Placement {
    /// The call.
    pub intent: Intent,
    /// Where it may run; never empty.
    pub candidates: Vec<Candidate>,
    /// Where it may not, and why.
    pub rejected: Vec<Rejected>,
}

/// A deployment that can run the call.
pub struct Candidate {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The tokens outstanding on it when the choice was made: fewer is better.
    pub outstanding_tokens: u64,
}

/// A deployment that cannot.
pub struct Rejected {
    /// Its name.
    pub deployment: Arc<str>,
    /// Why not.
    pub fault: Fault,
}

/// Orders the deployments of the call's model by outstanding tokens, after leaving out those that cannot say what the
/// request asks for.
///
/// # Errors
/// [`Kind::Unsupported`] with what the request asks for that no deployment has, or [`Kind::NoCapacity`].
pub fn place(intent: Intent) -> Result<Placement, Failed> {
    let (candidates, mut rejected) = sort(&intent.target.entry, &intent.target.call);
    if candidates.is_empty() {
        let fault = rejected.pop().map_or_else(no_capacity, |rejected| rejected.fault);
        return Err(intent.settlement.failed(fault));
    }
    Ok(Placement { intent, candidates, rejected })
}

/// The backend that would run `target`, for a question that needs no admission.
///
/// # Errors
/// As for [`place`].
pub fn best(target: &Target) -> Result<Arc<dyn Backend>, Fault> {
    let (candidates, mut rejected) = sort(&target.entry, &target.call);
    match candidates.into_iter().next() {
        Some(candidate) => Ok(Arc::clone(&candidate.deployment.backend)),
        None => Err(rejected.pop().map_or_else(no_capacity, |rejected| rejected.fault)),
    }
}

fn sort(entry: &Entry, call: &Call) -> (Vec<Candidate>, Vec<Rejected>) {
    let mut candidates = Vec::new();
    let mut rejected = Vec::new();
    for deployment in &entry.deployments {
        match needs::check(call, deployment.backend.capabilities()) {
            Ok(()) => candidates.push(Candidate {
                outstanding_tokens: deployment.load.tokens(),
                deployment: Arc::clone(deployment),
            }),
            Err(fault) => rejected.push(Rejected { deployment: Arc::clone(&deployment.name), fault }),
        }
    }
    candidates.sort_by_key(|candidate| candidate.outstanding_tokens);
    (candidates, rejected)
}

fn no_capacity() -> Fault {
    Fault::new(Kind::NoCapacity, "Nothing that serves this model can be used now. Retry later.")
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for candidate in &self.candidates {
            write!(
                f,
                "{} ({} tokens outstanding) ",
                candidate.deployment.name, candidate.outstanding_tokens
            )?;
        }
        for rejected in &self.rejected {
            write!(f, "not {} ({}) ", rejected.deployment, rejected.fault)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
