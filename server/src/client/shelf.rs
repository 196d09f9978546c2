use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Limited};

use super::{Client, LISTING_BYTES_MAX, segment};
use crate::Failure;
use crate::edge::Change;
use crate::local::{ModelStatus, Shelved};

const PATH: &str = "/outcrop/v1/models";

impl Client {
    /// Which models of the server are in memory.
    ///
    /// # Errors
    /// [`Failure::UNAVAILABLE`] where no server answers, else what it said.
    pub async fn shelved(&self) -> Result<Shelved, Failure> {
        let body = self.read(Method::GET, PATH).await?;
        Shelved::from_json(&body).map_err(|why| self.garbled(&why))
    }

    /// How one of them stands.
    ///
    /// # Errors
    /// As for [`Self::shelved`].
    pub async fn status(&self, model: &str) -> Result<ModelStatus, Failure> {
        let body = self.read(Method::GET, &format!("{PATH}/{}", segment(model))).await?;
        ModelStatus::from_json(&body).map_err(|why| self.garbled(&why))
    }

    /// Begins to change how one of them stands.
    ///
    /// # Errors
    /// As for [`Self::shelved`].
    pub async fn change(&self, model: &str, change: Change) -> Result<ModelStatus, Failure> {
        let path = format!("{PATH}/{}/{}", segment(model), change.name());
        let body = self.read(Method::POST, &path).await?;
        ModelStatus::from_json(&body).map_err(|why| self.garbled(&why))
    }

    async fn read(&self, method: Method, path: &str) -> Result<Bytes, Failure> {
        let answer = self.send(method, path, Bytes::new()).await?;
        let body = Limited::new(answer.into_body(), LISTING_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| self.garbled(&error.to_string()))?.to_bytes())
    }
}
