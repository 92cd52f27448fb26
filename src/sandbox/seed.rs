//! What the sandbox knows before the first call.

use std::time::Duration;

/// The key that the sandbox takes.
pub const API_KEY: &str = "vit_apk_sandbox";

/// Somebody whose subscription another organization holds: adding this person fails with
/// `Member already has an active subscription!`.
#[derive(Clone)]
pub enum CoveredElsewhere {
    /// Whoever comes with this `reference_id`.
    Reference(String),
    /// Whoever has these names (in any case) and this date of birth.
    Person {
        /// `first_name`.
        first_name: String,
        /// `last_name`.
        last_name: String,
        /// `YYYY-MM-DD`.
        date_of_birth: String,
    },
}

/// What the sandbox knows before the first call.
#[derive(Clone)]
pub struct Seed {
    /// `org_…`: owns the groups below.
    pub organization: String,
    /// Other organizations that the key reaches. With one, `X-Vitable-Organization` is required.
    pub further_organizations: Vec<String>,
    /// `external_reference_id` and name. Others can be created through the API.
    pub groups: Vec<(String, String)>,
    /// `pln_…` or `plan_…`, and name.
    pub plans: Vec<(String, String)>,
    /// Whom another organization covers.
    pub covered_elsewhere: Vec<CoveredElsewhere>,
    /// Between a 202 and its results; timers of tokio's measure it, so that it passes while a
    /// [`crate::clock::SetClock`] stands still.
    pub processing: Duration,
    /// Whether somebody who is subscribed in another group of the organization (same reference, family name and
    /// date of birth) cannot be added: our reading of "every member belongs to one group at a time".
    pub one_group_at_a_time: bool,
    /// Bytes: a larger submitted body is only measured and hashed, not kept.
    pub keep_bodies_up_to: usize,
}

impl Seed {
    /// Plans `pln_gold` and `pln_silver`, groups `acme-east`, `acme-west` and `demo`, 300 ms of processing, and
    /// one reference, `covered-elsewhere`, that another organization covers.
    #[must_use]
    pub fn demo() -> Self {
        let named = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|&(id, name)| (id.to_owned(), name.to_owned())).collect()
        };
        Self {
            organization: "org_sandbox".to_owned(),
            further_organizations: Vec::new(),
            groups: named(&[("acme-east", "Acme East"), ("acme-west", "Acme West"), ("demo", "Demo")]),
            plans: named(&[("pln_gold", "Gold"), ("pln_silver", "Silver")]),
            covered_elsewhere: vec![CoveredElsewhere::Reference("covered-elsewhere".to_owned())],
            processing: Duration::from_millis(300),
            one_group_at_a_time: true,
            keep_bodies_up_to: 8 << 20,
        }
    }

    /// The key that the sandbox takes: `vit_apk_sandbox`.
    #[must_use]
    pub fn api_key() -> &'static str {
        API_KEY
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::demo()
    }
}
