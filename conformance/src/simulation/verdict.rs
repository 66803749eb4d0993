//! What must hold once no more faults happen and nobody asks for anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::messages::api::ListOptions;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use serde_json::Value;
use shell::ApiClient;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::ledger::Ledger;
use super::watcher::Seen;
use super::workload::counted;

/// How long a list may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// All objects of a resource, by their path.
type Objects = BTreeMap<String, Value>;

/// The state of a cluster as the API server tells it at one moment.
pub struct State {
    pods: Objects,
    sets: Objects,
    maps: Objects,
    namespaces: Objects,
    accounts: Objects,
}

impl State {
    /// Asks for it; an error while the API server does not answer.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn read(api: &ApiClient) -> Result<Self, String> {
        Ok(State {
            pods: list(api, kinds::pods()).await?,
            sets: list(api, kinds::replicasets()).await?,
            maps: list(api, kinds::configmaps()).await?,
            namespaces: list(api, kinds::namespaces()).await?,
            accounts: list(api, kinds::serviceaccounts()).await?,
        })
    }

    /// What still has to happen before the cluster is as it should be; nothing if it is.
    pub fn unfinished(
        &self,
        cluster: &Cluster,
        ledger: &Ledger,
        watchers: &[(String, GroupResource, Seen)],
    ) -> Vec<String> {
        let mut open = Vec::new();
        for (path, pod) in &self.pods {
            open.extend(self.pod(cluster, path, pod));
        }
        for (path, set) in &self.sets {
            open.extend(self.set(path, set));
        }
        for (path, namespace) in &self.namespaces {
            open.extend(self.namespace(path, namespace));
        }
        open.extend(self.strays(cluster));
        let uids: BTreeSet<&str> = self.all().map(uid).collect();
        for (uid, life) in ledger.objects() {
            if life.delete_told && uids.contains(uid.as_str()) {
                open.push(format!(
                    "{} of UID {uid} was deleted and is there",
                    life.key
                ));
            }
        }
        for (name, resource, seen) in watchers {
            let objects = if *resource == kinds::pods() {
                &self.pods
            } else {
                &self.sets
            };
            let now: BTreeMap<String, u64> = objects
                .iter()
                .map(|(path, object)| (path.clone(), revision(object)))
                .collect();
            if seen.present() != now {
                open.push(format!("{name} does not see what there is"));
            }
        }
        open
    }

    /// What was acknowledged and is not so. Nothing of it may ever be missing.
    pub fn lost(&self, ledger: &Ledger) -> Vec<String> {
        let mut lost = Vec::new();
        let uids: BTreeSet<&str> = self.all().map(uid).collect();
        for (uid, life) in ledger.stays() {
            if !uids.contains(uid.as_str()) {
                lost.push(format!(
                    "{} of UID {uid}: its creation was acknowledged, nobody deleted it, and it is not there",
                    life.key
                ));
            }
        }
        for (path, set) in &self.sets {
            let (replicas, possible) =
                (set["spec"]["replicas"].as_i64(), ledger.possible(uid(set)));
            if !possible.is_empty() && !replicas.is_some_and(|now| possible.contains(&now)) {
                lost.push(format!(
                    "{path} has {replicas:?} replicas; acknowledged was one of {possible:?}"
                ));
            }
        }
        for (key, increments) in ledger.counters() {
            let now = self.maps.get(&key.path()).map_or(0, counted);
            let most = increments.told + increments.unknown;
            if !(increments.told..=most).contains(&now) {
                lost.push(format!(
                    "{key} counts {now}; {} increments were acknowledged, of {} the outcome is unknown",
                    increments.told, increments.unknown
                ));
            }
        }
        lost
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        let objects = self.pods.values().chain(self.sets.values());
        objects.chain(self.maps.values())
    }

    fn pod(&self, cluster: &Cluster, path: &str, pod: &Value) -> Option<String> {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let phase = status["phase"].as_str().unwrap_or("none");
        if pod["metadata"]["deletionTimestamp"].is_string() {
            return Some(format!("{path} is being deleted, phase {phase}"));
        }
        let node = spec["nodeName"].as_str().unwrap_or_default();
        match phase {
            "Succeeded" | "Failed" => None,
            "Running" => {
                let running = cluster.witness.running();
                let name = |container: &Value| {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let meta = &pod["metadata"];
                    (
                        text(&meta["namespace"]),
                        text(&meta["name"]),
                        text(&container["name"]),
                    )
                };
                let all = spec["containers"].as_array().into_iter().flatten();
                let dead = all.map(name).find(|name| {
                    !running
                        .get(name)
                        .is_some_and(|seen| seen.uid == uid(pod) && seen.node == node)
                })?;
                self.explained(status, &dead.2).then_some(()).map_or(
                    Some(format!(
                        "{path} is Running and its container {} is not",
                        dead.2
                    )),
                    |()| None,
                )
            }
            _ if node.is_empty() => match self.unschedulable(pod) {
                true => None,
                false => Some(format!("{path} has no node and no reason for that")),
            },
            phase => Some(format!(
                "{path} on {node} is {phase}: {}",
                status["containerStatuses"]
            )),
        }
    }

    /// Whether a pod's status says why a container of it does not run: it has ended, or waits for its next start.
    fn explained(&self, status: &Value, container: &str) -> bool {
        let all = status["containerStatuses"].as_array().into_iter().flatten();
        let mut own = all.filter(|known| known["name"] == container);
        own.any(|known| {
            known["state"]["terminated"].is_object()
                || known["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
    }

    fn unschedulable(&self, pod: &Value) -> bool {
        let all = pod["status"]["conditions"].as_array().into_iter().flatten();
        let mut own = all.filter(|condition| condition["type"] == "PodScheduled");
        own.any(|condition| condition["reason"] == "Unschedulable")
    }

    fn set(&self, path: &str, set: &Value) -> Option<String> {
        if set["metadata"]["deletionTimestamp"].is_string() {
            return Some(format!("{path} is being deleted"));
        }
        let wanted = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let owned = self.pods.values().filter(|pod| {
            let owners = pod["metadata"]["ownerReferences"].as_array();
            let active = !matches!(
                pod["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            );
            active
                && owners
                    .into_iter()
                    .flatten()
                    .any(|owner| owner["uid"] == set["metadata"]["uid"])
        });
        let (there, told) = (owned.count() as u64, set["status"]["replicas"].as_u64());
        match there == wanted && told.unwrap_or(0) == wanted {
            true => None,
            false => Some(format!(
                "{path} wants {wanted} pods, has {there} and tells {told:?}"
            )),
        }
    }

    fn namespace(&self, path: &str, namespace: &Value) -> Option<String> {
        if namespace["metadata"]["deletionTimestamp"].is_string() {
            return Some(format!("{path} is being deleted"));
        }
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
        let account = ObjectKey::new(kinds::serviceaccounts(), name, "default").path();
        let lacks = !self.accounts.contains_key(&account);
        lacks.then(|| format!("{path} has no default service account"))
    }

    /// Containers that run though no pod that there is has them.
    fn strays(&self, cluster: &Cluster) -> Vec<String> {
        let running = cluster.witness.running();
        let strays = running.into_iter().filter(|((namespace, name, _), seen)| {
            let path = ObjectKey::new(kinds::pods(), namespace, name).path();
            !self.pods.get(&path).is_some_and(|pod| {
                uid(pod) == seen.uid && pod["spec"]["nodeName"] == seen.node.as_str()
            })
        });
        strays
            .map(|(_, seen)| {
                format!(
                    "container {} runs on {} and no pod that there is has it",
                    seen.id, seen.node
                )
            })
            .collect()
    }
}

async fn list(api: &ApiClient, resource: GroupResource) -> Result<Objects, String> {
    let listed = timeout(PATIENCE, api.list(&resource, "", ListOptions::default())).await;
    let listed = listed
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    listed
        .items
        .iter()
        .map(|object| {
            let value = serde_json::from_slice(&object.body);
            let value = value.map_err(|error| format!("{}: {error}", object.key))?;
            Ok((object.key.path(), value))
        })
        .collect()
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn revision(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
