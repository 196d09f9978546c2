//! What `outcrop up` prints once it serves: a block to copy, each command of which works as it stands.

use std::path::Path;

use server::Ready;
use server::places::{API_KEY_FILE, CREDENTIALS_FILE};

const PROMPT: &str = "Why is the sky blue?";

/// The block under the line `ready URL`.
pub(crate) fn render(ready: &Ready) -> String {
    let Ready { url, data_dir, models } = ready;
    // The child of a shell may stand elsewhere than this process.
    let dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
    let credentials = quoted(&dir.join(CREDENTIALS_FILE));
    let api_key = quoted(&dir.join(API_KEY_FILE));
    let Some(model) = models.first() else {
        return "\nNo model is served yet.\n".to_owned();
    };
    let served = models.join(", ");
    let messages = format!(r#"[{{"role":"user","content":[{{"text":"{PROMPT}"}}]}}]"#);
    format!(
        r#"
Serving {served}. To call it from another terminal:

# for every AWS SDK and the AWS CLI
export AWS_SHARED_CREDENTIALS_FILE={credentials}
export AWS_PROFILE=default AWS_REGION=us-east-1
export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url} AWS_ENDPOINT_URL_BEDROCK={url}

# the AWS CLI
aws bedrock-runtime converse --model-id {model} \
  --messages '{messages}'

# boto3
python3 -c 'import boto3
print(boto3.client("bedrock-runtime").converse(modelId="{model}",
  messages={messages})["output"]["message"]["content"][0]["text"])'

# curl
curl -sw '\n' {url}/model/{model}/converse \
  -H "Authorization: Bearer $(cat {api_key})" -H 'Content-Type: application/json' \
  -d '{{"messages":{messages}}}'

"#
    )
}

/// A path as one word of a shell, also between double quotes and `$(`.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@%:=".contains(&byte);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;
