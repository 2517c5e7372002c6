package import RuntimeSupport

/// Where settings come from; each later one overrides key by key.
package struct SettingsLayers: Sendable {
    /// What the others override: the defaults, or what the node already runs with.
    package var base = AgentSettings()
    package var file: SettingsDocument?
    package var environment: [String: String]
    /// Bodies of the manifests, group scope before agent scope.
    package var manifests: [SettingsDocument]
    package var guardLimits: GuardLimits
    /// Empty: any name is a collector.
    package var knownCollectors: Set<String>

    package init(
        base: AgentSettings = AgentSettings(), file: SettingsDocument? = nil, environment: [String: String] = [:],
        manifests: [SettingsDocument] = [],
        guardLimits: GuardLimits = GuardLimits(), knownCollectors: Set<String> = []
    ) {
        self.base = base
        self.file = file
        self.environment = environment
        self.manifests = manifests
        self.guardLimits = guardLimits
        self.knownCollectors = knownCollectors
    }
}

extension AgentSettings {
    /// Defaults, then the file, the environment, and manifests as far as the guard limits let them.
    /// - Throws: the first setting that cannot be used, with its place.
    package init(_ layers: SettingsLayers) throws(SettingsError) {
        self = layers.base
        if let file = layers.file, file.entries[Self.groupsKey] != nil {
            throw file.error(Self.groupsKey, "is set by the agent's own manifest only")
        }
        if let file = layers.file { try apply(file, layers) }
        try applyEnvironment(layers)
        guard !layers.manifests.isEmpty else { return }
        for manifest in layers.manifests {
            guard layers.guardLimits.allowsRemoteConfiguration else {
                throw SettingsError(
                    source: manifest.source, line: 0, key: "",
                    problem: "this node's guard file refuses remote configuration")
            }
            for key in manifest.keys {
                if let objection = layers.guardLimits.objection(to: key) {
                    throw manifest.error(key, objection)
                }
            }
            let before = self
            try apply(manifest, layers)
            if self != before, let (key, problem) = layers.guardLimits.objection(to: self) {
                throw manifest.error(key, problem)
            }
        }
    }

    private mutating func apply(_ document: SettingsDocument, _ layers: SettingsLayers) throws(SettingsError) {
        for key in document.keys {
            guard let entry = document.entries[key] else { continue }
            if let problem = set(key, entry.value, knownCollectors: layers.knownCollectors) {
                throw document.error(key, problem)
            }
        }
    }

    private mutating func applyEnvironment(_ layers: SettingsLayers) throws(SettingsError) {
        var values: [(variable: String, key: String, value: String)] = []
        for key in Self.keys where key.name != Self.groupsKey {
            if let value = layers.environment[key.environmentName] {
                values.append((key.environmentName, key.name, value))
            }
        }
        for (variable, key) in Self.environmentNames.sorted(by: { $0.key < $1.key }) {
            if let value = layers.environment[variable] { values.append((variable, key, value)) }
        }
        // An empty variable is one that is not set.
        for (variable, key, value) in values where !value.isEmpty {
            if let problem = set(key, value, knownCollectors: layers.knownCollectors) {
                throw SettingsError(source: "environment", line: 0, key: variable, value: value, problem: problem)
            }
        }
    }
}
