//! A pod's class of service, and how the kernel is told of it.

use bincode::{Decode, Encode};

use crate::objects::pod::PodSpec;
use crate::rules::quantity::QuantityError;
use crate::rules::resources::{cpu, memory};

/// `PodQOSClass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Qos {
    /// Neither requests nor limits.
    #[default]
    BestEffort,
    /// Anything between the two others.
    Burstable,
    /// Limits on processor and memory everywhere, requests equal to them.
    Guaranteed,
}

impl Qos {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Qos::BestEffort => "BestEffort",
            Qos::Burstable => "Burstable",
            Qos::Guaranteed => "Guaranteed",
        }
    }
}

/// The class of service (kubernetes `pkg/apis/core/v1/helper/qos`).
pub fn qos(spec: &PodSpec) -> Result<Qos, QuantityError> {
    let mut any = false;
    let mut guaranteed = true;
    for container in spec.init_containers.iter().chain(&spec.containers) {
        let (requests, limits) = (&container.resources.requests, &container.resources.limits);
        let pairs = [
            (cpu(requests)?, cpu(limits)?),
            (memory(requests)?, memory(limits)?),
        ];
        for (request, limit) in pairs {
            let (request, limit) = (request.unwrap_or(0), limit.unwrap_or(0));
            any |= request > 0 || limit > 0;
            guaranteed &= limit > 0 && (request == 0 || request == limit);
        }
    }
    Ok(match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    })
}

/// The weight of a container's processor time in cgroup v1's measure, of its request in thousandths of a core
/// (kubernetes `pkg/kubelet/cm`, `MilliCPUToShares`).
pub fn cpu_shares(cpu_milli: i64) -> u64 {
    let shares = u64::try_from(cpu_milli).unwrap_or(0).saturating_mul(1024) / 1000;
    shares.clamp(2, 262_144)
}

/// The processor time in microseconds that each period of 100 ms allows, of a limit in thousandths of a core;
/// 0 without a limit (`MilliCPUToQuota`).
pub fn cpu_quota(cpu_milli: i64) -> i64 {
    if cpu_milli <= 0 {
        0
    } else {
        cpu_milli.saturating_mul(100).max(1000)
    }
}

/// How readily the kernel kills a container when the node's memory ends
/// (kubernetes `pkg/kubelet/qos/policy.go`).
pub fn oom_score_adj(class: Qos, memory_request: i64, node_memory: i64) -> i32 {
    match class {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let share = i128::from(memory_request.max(0)) * 1000 / i128::from(node_memory.max(1));
            i32::try_from(1000 - share.min(1000))
                .unwrap_or(999)
                .clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::resources::{Requests, requests};

    fn spec(json: &str) -> PodSpec {
        serde_json::from_str(json).expect("a pod spec")
    }

    fn check(json: &str, cpu_milli: i64, memory_bytes: i64, class: Qos) {
        let spec = spec(json);
        let expected = Requests {
            cpu_milli,
            memory_bytes,
        };
        assert_eq!(requests(&spec), Ok(expected), "{json}");
        assert_eq!(qos(&spec), Ok(class), "{json}");
    }

    #[test]
    fn containers_add_up_and_init_containers_do_not() {
        check(r#"{"containers":[{}]}"#, 0, 0, Qos::BestEffort);
        check(
            r#"{"containers":[{"resources":{"requests":{"cpu":"100m"}}},{"resources":{"limits":{"cpu":"1","memory":"1Ki"}}}]}"#,
            1100,
            1024,
            Qos::Burstable,
        );
        check(
            r#"{"containers":[{"resources":{"requests":{"cpu":"1"}}}],
                "initContainers":[{"resources":{"requests":{"cpu":"3"}}},{"resources":{"requests":{"cpu":"2","memory":"5"}}}]}"#,
            3000,
            5,
            Qos::Burstable,
        );
        check(
            r#"{"containers":[{"resources":{"limits":{"cpu":"1","memory":"2"},"requests":{"cpu":"1000m"}}}]}"#,
            1000,
            2,
            Qos::Guaranteed,
        );
    }

    #[test]
    fn a_sidecar_counts_beside_what_follows_it() {
        check(
            r#"{"containers":[{"resources":{"requests":{"cpu":"1"}}}],
                "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}},{"resources":{"requests":{"cpu":"3"}}}]}"#,
            4000,
            0,
            Qos::Burstable,
        );
        check(
            r#"{"containers":[{"resources":{"requests":{"cpu":"5"}}}],"overhead":{"cpu":"250m"},
                "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}}]}"#,
            6250,
            0,
            Qos::Burstable,
        );
    }

    #[test]
    fn what_is_no_quantity_is_an_error() {
        let bad = spec(r#"{"containers":[{"resources":{"requests":{"cpu":"a lot"}}}]}"#);
        assert!(requests(&bad).is_err());
        assert!(qos(&bad).is_err());
    }

    #[test]
    fn the_kernels_measures() {
        assert_eq!(
            [cpu_shares(0), cpu_shares(500), cpu_shares(2000)],
            [2, 512, 2048]
        );
        assert_eq!(
            [cpu_quota(0), cpu_quota(1), cpu_quota(1500)],
            [0, 1000, 150_000]
        );
        assert_eq!(oom_score_adj(Qos::Guaranteed, 5, 10), -997);
        assert_eq!(oom_score_adj(Qos::BestEffort, 0, 10), 1000);
        assert_eq!(oom_score_adj(Qos::Burstable, 5, 10), 500);
        assert_eq!(oom_score_adj(Qos::Burstable, 0, 10), 999);
        assert_eq!(oom_score_adj(Qos::Burstable, 10, 10), 3);
    }
}
