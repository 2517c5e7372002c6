package import Control
package import Sealing

/// What the engine needs of the program around it to change settings while it runs.
package struct ControlHooks {
    /// The node's own settings, as its file, environment and flags say.
    package struct NodeSettings {
        package var settings: AgentSettings
        package var guardLimits: GuardLimits
        package init(settings: AgentSettings, guardLimits: GuardLimits = GuardLimits()) {
            self.settings = settings
            self.guardLimits = guardLimits
        }
    }

    /// Reads the node's own settings again; nil: there is nothing to read.
    /// - Throws: ``SettingsError``, with file, line and key.
    package var reload: () throws -> NodeSettings?
    /// Tries manifests in a child process; ``AgentInput/dryRun(version:problem:)`` says what came of it. nil: they are only
    /// looked at, in this process.
    package var dryRun: (([ManifestCheck.Body], UInt64) -> Void)?
    /// Brings what lies outside the engine into effect (collectors). Returns why it cannot; nil if it did.
    package var apply: (AgentSettings) -> String?
    /// What the agent's process has used; nil: unknown, and nothing is judged.
    package var ownUse: () -> OwnUse?
    /// A new pseudonym key is in force.
    package var pseudonymKey: (PseudonymKey) -> Void = { _ in }
    /// Names that `collectors.…` may hold; empty: any.
    package var collectors: Set<String>

    package init(
        reload: @escaping () throws -> NodeSettings? = { nil },
        apply: @escaping (AgentSettings) -> String? = { _ in nil },
        ownUse: @escaping () -> OwnUse? = { nil }, collectors: Set<String> = []
    ) {
        self.reload = reload
        self.apply = apply
        self.ownUse = ownUse
        self.collectors = collectors
    }
}
