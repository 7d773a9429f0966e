//! Names below which strangers can have their own, although the public suffix list does not say so:
//! a star that allows must not cover them.
//!
//! That list is kept for cookies and certificates, and its private part holds what owners asked
//! for. Clouds hand out names in many more places. Each row is the suffix below which a customer's
//! own name stands, from the cloud's documentation; `*` is one label (a region), `x*` a label that
//! begins with x. A star covers whatever is not listed here: name hosts exactly where a cloud's
//! customers may be neighbours.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::HostName;

const SHARED: &[&str] = &[
    // Azure (learn.microsoft.com: "Azure domain names", DNS names of each service).
    "*.cloudapp.azure.com",
    "*.cloudapp.azure.us",
    "*.cloudapp.usgovcloudapi.net",
    "cloudapp.net",
    "*.azurecontainer.io",
    "*.azurecontainerapps.io",
    "*.azmk8s.io",
    "*.azurewebsites.net",
    "azurewebsites.net",
    "azurestaticapps.net",
    "azurecr.io",
    "azure-api.net",
    "azure-devices.net",
    "azure-mobile.net",
    "azuredatabricks.net",
    "azureedge.net",
    "*.azurefd.net",
    "azurefd.net",
    "azurehdinsight.net",
    "trafficmanager.net",
    "visualstudio.com",
    "sharepoint.com",
    "search.windows.net",
    "service.signalr.net",
    "webpubsub.azure.com",
    "servicebus.windows.net",
    "database.windows.net",
    "redis.cache.windows.net",
    "*.redis.azure.net",
    "*.kusto.windows.net",
    "blob.core.windows.net",
    "dfs.core.windows.net",
    "file.core.windows.net",
    "queue.core.windows.net",
    "table.core.windows.net",
    "*.web.core.windows.net",
    "*.blob.storage.azure.net",
    "vault.azure.net",
    "managedhsm.azure.net",
    "documents.azure.com",
    "mongo.cosmos.azure.com",
    "postgres.database.azure.com",
    "mysql.database.azure.com",
    "*.batch.azure.com",
    "*.inference.ml.azure.com",
    "*.models.ai.azure.com",
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "communication.azure.com",
    "purview.azure.com",
    "*.grafana.azure.com",
    "*.azureml.ms",
    // AWS (docs.aws.amazon.com: endpoints and quotas of each service).
    "*.es.amazonaws.com",
    "*.aoss.amazonaws.com",
    "*.cloudsearch.amazonaws.com",
    "*.rds.amazonaws.com",
    "*.redshift.amazonaws.com",
    "*.redshift-serverless.amazonaws.com",
    "*.neptune.amazonaws.com",
    "*.docdb.amazonaws.com",
    "*.cache.amazonaws.com",
    "*.elasticbeanstalk.com",
    "*.kafka.*.amazonaws.com",
    "*.mq.*.amazonaws.com",
    "kafka.*.amazonaws.com",
    "mq.*.amazonaws.com",
    "iot.*.amazonaws.com",
    "appsync-api.*.amazonaws.com",
    "appsync-realtime-api.*.amazonaws.com",
    "execute-api.*.amazonaws.com",
    "lambda-url.*.on.aws",
    "vpce.amazonaws.com",
    "*.vpce.amazonaws.com",
    "dkr.ecr.*.amazonaws.com",
    "d.codeartifact.*.amazonaws.com",
    "codeartifact.*.amazonaws.com",
    "grafana-workspace.*.amazonaws.com",
    "transfer.*.amazonaws.com",
    "auth.*.amazoncognito.com",
    "*.awsapprunner.com",
    "awsapps.com",
    "awsglobalaccelerator.com",
    "signin.aws",
    // Google Cloud and Firebase.
    "cloudfunctions.net",
    "*.run.app",
    "*.firebasedatabase.app",
    "firebaseio.com",
    "*.cloudshell.dev",
    "*.kaggle.net",
    "*.notebooks.googleusercontent.com",
    // Other clouds and storage.
    "oss*.aliyuncs.com",
    "*.fcapp.run",
    "*.fc.aliyuncs.com",
    "cos.*.myqcloud.com",
    "r2.cloudflarestorage.com",
    "*.r2.cloudflarestorage.com",
    "cfargotunnel.com",
    "*.oraclecloudapps.com",
    "*.oraclevcn.com",
    "*.digitaloceanspaces.com",
    "*.linodeobjects.com",
    "*.backblazeb2.com",
    "*.wasabisys.com",
    "*.scw.cloud",
    "*.ovh.net",
    // Services where each customer has a name.
    "atlassian.net",
    "auth0.com",
    "*.auth0.com",
    "my.salesforce.com",
    "*.my.salesforce.com",
    "my.site.com",
    "okta.com",
    "service-now.com",
    "slack.com",
    "snowflakecomputing.com",
    "*.snowflakecomputing.com",
    "zendesk.com",
];

/// The rows by their last two labels, neither of which is a star.
static BY_OWNER: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut rows: HashMap<&str, Vec<&str>> = HashMap::new();
    for shared in SHARED {
        rows.entry(last_two(shared)).or_default().push(shared);
    }
    rows
});

/// The longest suffix of a name below which strangers have theirs, by the public suffix list or
/// this one.
pub(crate) fn suffix(name: &str) -> &str {
    let listed = psl::suffix(name.as_bytes()).map_or(0, |suffix| suffix.as_bytes().len());
    let listed = &name[name.len() - listed..];
    let Some(rows) = BY_OWNER.get(last_two(name)) else { return listed };
    let ends = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1)).map(|at| &name[at..]);
    let shared = ends.take_while(|end| end.len() > listed.len()).find(|end| rows.iter().any(|row| covers(row, end)));
    shared.unwrap_or(listed)
}

fn last_two(name: &str) -> &str {
    name.rmatch_indices('.').nth(1).map_or(name, |(dot, _)| &name[dot + 1..])
}

/// Whether anybody can have a name directly below this one.
pub(crate) fn is_suffix(name: &HostName) -> bool {
    suffix(name.as_str()).len() == name.as_str().len()
}

fn covers(shared: &str, name: &str) -> bool {
    let (mut wanted, mut labels) = (shared.rsplit('.'), name.rsplit('.'));
    loop {
        match (wanted.next(), labels.next()) {
            (None, None) => return true,
            (Some(want), Some(label)) => match want.strip_suffix('*') {
                Some(start) if label.starts_with(start) => {}
                None if label == want => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_are_known() {
        for (name, want) in [
            ("vm.westeurope.cloudapp.azure.com", "westeurope.cloudapp.azure.com"),
            ("management.azure.com", "com"),
            ("mine.openai.azure.com", "openai.azure.com"),
            ("search-x.us-east-1.es.amazonaws.com", "us-east-1.es.amazonaws.com"),
            ("es.eu-west-1.amazonaws.com", "com"),
            ("x.iot.eu-west-1.amazonaws.com", "iot.eu-west-1.amazonaws.com"),
            ("b.oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"),
            ("bucket.s3.amazonaws.com", "s3.amazonaws.com"),
            ("a.github.io", "github.io"),
            ("api.example.co.uk", "co.uk"),
            ("nas.lan", "lan"),
        ] {
            assert_eq!(suffix(name), want, "{name}");
        }
    }

    #[test]
    fn every_row_can_match() {
        for shared in SHARED {
            let name = shared.replace("*.", "x.").replace('*', "x");
            assert!(name.contains('.') && name.bytes().all(|b| !b.is_ascii_uppercase()), "{shared}");
            assert_eq!(suffix(&name), name, "{shared}");
        }
    }
}
